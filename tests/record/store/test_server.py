"""One MLflow server for many processes, killed and started again while they write."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from lenet_exp import tf_compat
from tests.mlflow_server import MlflowServer, python_of

pytestmark = [pytest.mark.full, pytest.mark.slow]
WINDOWS = 12

# What an experiment does, without a training: so many runs, one after the other, each with its
# windows, an artifact and an end, by the record layer's own objects.
RUNS = """
import contextlib, json, sys, time
from pathlib import Path
from lenet_exp.errors import StoreError
from lenet_exp.record.store import processes, sync
from lenet_exp.record.store.journal import Journal
from lenet_exp.record.store.mlflow_store import Store

uri, root, first, runs, windows = sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:])
for number in range(first, first + runs):
    folder = root / str(number)
    with contextlib.closing(Journal(folder)) as journal:
        store = Store(uri, "many", patience=120)
        tags = {"folder": str(folder), processes.TAG: processes.this_process()}
        run = sync.open_run(store, journal, str(number), tags)
        observer = sync.Observer(run, folder, sync.NOTHING, every=0.1)
        observer.send(journal.append("status", {"status": "RUNNING"}))
        observer.send(journal.append("params", {"seed": number}))
        for step in range(windows):
            values = {"loss": step / 7, "loss_scale": 2.0 ** step}
            observer.send(journal.append("metrics", values, step))
            time.sleep(0.05)
        (folder / "out.txt").write_text(str(number))
        observer.send(journal.append("artifact", {"path": "out.txt"}))
        journal.append("status", {"status": "FINISHED"})
        assert observer.close(200)
        for pause in range(100):
            try:
                sync.complete(run, journal)
                break
            except StoreError:
                time.sleep(2)
        else:
            raise AssertionError(folder)
"""


def servers():
    """Return the Pythons whose MLflow serves: this one's, and for an MLflow 1 client MLflow 3."""
    found = [pytest.param(None, id="own")]
    if tf_compat.stack_of_this_python() == "tf1":
        found.append(pytest.param("tf2", id="MLflow 3"))
    return found


@pytest.fixture(params=servers())
def server(request, tmp_path):
    python = python_of(request.param) if request.param else None
    if request.param and python is None:
        pytest.skip("MLflow 3 is not installed here")
    one = MlflowServer(tmp_path / "server", *([python] if python else []))
    yield one.start()
    one.kill()


def listed(client, experiment):
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    return {run.data.tags["mlflow.runName"]: run for run in runs}, len(runs)


@pytest.mark.parametrize(("processes", "runs"), [(8, 25)])
def test_every_metric_of_every_run_is_there_once(server, tmp_path, processes, runs):
    from mlflow.tracking import MlflowClient

    words = [[server.uri, str(tmp_path / "runs"), str(n * runs), str(runs), str(WINDOWS)]
             for n in range(processes)]  # fmt: skip
    started = [subprocess.Popen([sys.executable, "-c", RUNS, *each]) for each in words]
    done = tmp_path / "runs"
    until = time.monotonic() + 1800
    while sum(1 for _ in done.glob("*/out.txt")) < processes * runs // 3:
        assert time.monotonic() < until
        assert {process.poll() for process in started} <= {None, 0}
        time.sleep(0.1)
    server.kill()
    time.sleep(2)
    server.start()
    assert [process.wait(timeout=1800) for process in started] == [0] * processes
    client = MlflowClient(tracking_uri=server.uri)
    found, count = listed(client, client.get_experiment_by_name("many"))
    assert count == len(found) == processes * runs
    for name, run in found.items():
        assert run.info.status == "FINISHED"
        assert run.data.params == {"seed": name}
        for key, value in (("loss", lambda s: s / 7), ("loss_scale", lambda s: 2.0**s)):
            history = client.get_metric_history(run.info.run_id, key)
            told = sorted((point.step, point.value) for point in history)
            assert told == [(step, value(step)) for step in range(WINDOWS)], (name, key)
        (kept,) = (server.folder / "artifacts").glob(f"*/{run.info.run_id}/artifacts/out.txt")
        assert kept.read_text() == name
