"""What an older version left is compared, predicted from, repeated and gone on with."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from lenet_exp import tf_compat
from lenet_exp.record.run import checkpoints
from tests.end_to_end.conftest import Project
from tests.end_to_end.recorded.record import ROOT, SGD, SMALL
from tests.end_to_end.sweeps import runs_of, statuses
from tests.pages import problems
from tests.stacks import besides_loading, full_on_tf1
from tests.stores import new_store

STEPS = [(step, step) for step in range(1, 9)]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory, mnist_folder):
    """The folder that was recorded on this stack, as if it had always been here."""
    folder = tmp_path_factory.mktemp("recorded")
    stack = tf_compat.stack_of_this_python()
    with tarfile.open(str(Path(__file__).parent / "recorded" / f"{stack}.tar.xz")) as archive:
        archive.extractall(str(folder))
    for path in folder.rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes().replace(ROOT.encode(), str(folder).encode()))
    if stack == "tf2":
        with closing(sqlite3.connect(str(folder / "mlflow.db"))) as connection:
            connection.executescript((folder / "mlflow.sql").read_text())
    return Project(folder)


def test_its_sweep_is_compared(recorded, capsys, monkeypatch):
    from lenet_exp.compare import main

    monkeypatch.chdir(recorded.folder)
    assert main(["sweep=begun", f"tracking.uri={recorded.uri}"]) == 0
    printed = capsys.readouterr()
    assert besides_loading(printed.err) == ""
    assert "begun: 2 runs, 1 configuration, 2 x 4 steps" in printed.out


def test_its_checkpoint_predicts_what_the_run_saw(recorded, capsys, monkeypatch):
    from lenet_exp.predict import main

    monkeypatch.chdir(recorded.folder)
    settings = ("precision=allow_mix_precision", "threads=1", "format=csv")
    assert main(["model=outputs/finished", "images=mnist", *settings]) == 0
    printed = capsys.readouterr()
    assert besides_loading(printed.err) == ""
    rows = csv.DictReader(io.StringIO(printed.out))
    seen = [int(row["class"]) for row in rows]
    with np.load(str(recorded.folder / "outputs" / "finished" / "test_predictions.npz")) as kept:
        assert np.mean(kept["classes"] == seen) > 0.99  # another machine may round otherwise


def test_its_run_is_exported(recorded, tmp_path, capsys, monkeypatch):
    from lenet_exp.export import main

    monkeypatch.chdir(recorded.folder)
    assert main(["run=outputs/finished", f"to={tmp_path}"]) == 0
    printed = capsys.readouterr()
    assert (
        besides_loading(printed.err),
        "--precision_mode=allow_mix_precision" in printed.out,
    ) == ("", True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lenet.pb", "saved_model"]


def test_its_run_is_uploaded_elsewhere(recorded, tmp_path, capsys, monkeypatch):
    from lenet_exp.comparison import load_runs
    from lenet_exp.comparison.compare import open_store
    from lenet_exp.record.store import journal
    from lenet_exp.upload import main

    monkeypatch.chdir(recorded.folder)
    folder = recorded.folder / "outputs" / "finished"
    before, uri = journal.read(folder), new_store(tmp_path / "other.db")
    assert main([f"run={folder}", f"tracking.uri={uri}"]) == 0
    assert "is complete" in capsys.readouterr().out
    (run,) = load_runs.experiment(open_store(uri, "lenet-exp"), "lenet-exp").runs
    metrics = journal.merged(before, "metrics")
    assert (run.status, run.metrics["accuracy"]) == ("FINISHED", metrics["accuracy"])
    assert run.tags["precision"] == "allow_mix_precision"


@pytest.mark.parametrize("name", ["finished", "killed"])
def test_its_run_has_a_page(recorded, name):
    from lenet_exp.record.pages import run_page
    from lenet_exp.record.store import journal

    folder = recorded.folder / "outputs" / name
    page = run_page.render(folder, journal.read(folder), 0.975).decode()
    assert problems(page) == []
    assert "allow_mix_precision" in page


@full_on_tf1
def test_its_run_is_repeated(recorded):
    done = recorded.run("run=outputs/finished", verb="rerun")
    assert (done.returncode in (0, 1), done.stderr) == (True, "")
    told = done.stdout[done.stdout.index("bit-equal to run ") :]
    assert "code_sha256: " in told
    assert done.returncode == 0 or "cpu_flags" in told or "tensorflow." in told


def test_its_killed_run_goes_on(recorded):
    folder = recorded.folder / "outputs" / "killed"
    done = recorded.run("resume=outputs/killed")
    assert (done.returncode, done.stderr) == (0, "")
    assert "goes on after step 6" in done.stdout
    run = recorded.recorded_in(folder)
    assert run.info.status == "FINISHED"
    steps = [step for step, _ in recorded.history(run.info.run_id, "loss")]
    assert steps == list(range(1, 9))
    assert checkpoints.newest(folder).history.step == 8
    assert json.loads((folder / "checkpoints" / "8" / "manifest.json").read_text())


@pytest.mark.full
def test_its_sweep_goes_on(recorded):
    before = (recorded.folder / "mlruns", statuses(runs_of(recorded, "begun")[1]))
    assert sorted(before[1].values()) == ["FINISHED", "KILLED"]
    done = recorded.run(*SMALL, *SGD, "-m", "seed=0,1", "sweep=begun")
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 jobs (1 to go on with, 1 to keep)" in done.stdout
    assert "finished with other code than today's, and kept" in done.stdout
    parent, jobs = runs_of(recorded, "begun")
    assert parent.info.status == "FINISHED"
    assert sorted(statuses(jobs).values()) == ["FINISHED", "FINISHED"]
