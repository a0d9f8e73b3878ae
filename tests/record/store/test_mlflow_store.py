"""One store, several processes."""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import sys

import pytest

from lenet_exp.config.passwords import without_password
from lenet_exp.errors import StoreError
from lenet_exp.record.store.journal import Journal
from lenet_exp.record.store.mlflow_store import Store
from lenet_exp.record.store.sync import complete
from tests.stacks import full_on_tf1
from tests.stores import new_store

OPEN = """
import os, sys, time
from lenet_exp.record.store import mlflow_store
mlflow_store.schema()  # imports what is slow to, once for all
uri, *folders = sys.argv[1:]
children = []
for number, folder in enumerate(folders):
    children.append(os.fork())
    if not children[-1]:
        os.chdir(folder)
        time.sleep(0.4 * number)
        mlflow_store.Store(uri, "lenet-exp").create(f"user {number}", {})
        os._exit(0)
sys.exit(any([os.waitpid(child, 0)[1] for child in children]))
"""


@full_on_tf1  # whose store is files: a folder more or less
@pytest.mark.parametrize("places", ["one", pytest.param("two", marks=pytest.mark.full)])
def test_a_new_store_is_made_once_however_its_users_are_staggered(places, tmp_path):
    # An absolute URI names the same file from every folder; MLflow 3 takes seconds to make it.
    folders = [tmp_path / "a", tmp_path / ("a" if places == "one" else "b")] * 2
    for folder in folders:
        folder.mkdir(exist_ok=True)
    uri = "sqlite:///store.db" if places == "one" else f"sqlite:///{tmp_path / 'store.db'}"
    words = [sys.executable, "-W", "ignore", "-c", OPEN, uri, *map(str, folders)]
    ended = subprocess.run(words, capture_output=True, check=False)
    assert ended.returncode == 0, ended.stderr
    store = Store(
        f"sqlite:///{(folders[0] if places == 'one' else tmp_path) / 'store.db'}", "lenet-exp"
    )
    names = [run.info.run_name for run in store.client.search_runs([store.experiment_id])]
    assert sorted(names) == [
        f"user {n}" for n in range(len(folders))
    ]  # none is lost with a store that was made over


def test_what_a_killed_process_left_of_a_store_goes_with_the_next_start(tmp_path):
    child = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"],
                           stdout=subprocess.PIPE, check=True)  # fmt: skip
    uri = new_store(tmp_path / "store.db")
    for name in (f".store.db.{int(child.stdout)}.part{end}" for end in ("", "-journal")):
        (tmp_path / name).write_text("half")
    kept = tmp_path / f".store.db.{os.getpid()}.part"
    kept.write_text("being made")
    Store(uri, "lenet-exp")
    left = sorted(path.name for path in tmp_path.glob("*store.db*"))
    assert left == [kept.name, "store.db"]


@pytest.mark.parametrize("uri", ["foo://x", "foo://me:secret@host"])
def test_a_store_of_no_known_kind_is_refused_in_our_words(uri):
    with pytest.raises(StoreError) as caught:
        Store(uri, "lenet-exp")
    what, problem, remedy = caught.value.args
    assert (what, "secret" in str(caught.value)) == (without_password(uri), False)
    assert problem.startswith("is of no kind that this MLflow knows: a folder, or ")
    assert "sqlite://" in problem
    default = "mlruns" if sys.version_info < (3, 8) else "sqlite:///"  # as each MLflow has it
    assert remedy.startswith(f"python -m lenet_exp.run tracking.uri={default}")


def test_a_deleted_experiment_is_told_with_the_command_that_brings_it_back(tmp_path, monkeypatch):
    uri = new_store(tmp_path / "of mine.db")
    store = Store(uri, "mine")
    store.client.delete_experiment(store.experiment_id)
    with pytest.raises(StoreError) as caught:
        Store(uri, "mine")
    assert caught.value.args[1] == "was deleted"
    remedy = caught.value.args[2]
    assert f"MLFLOW_TRACKING_URI='{uri}' mlflow experiments restore" in remedy
    assert remedy.endswith(f" --experiment-id {store.experiment_id}")
    from mlflow.experiments import commands

    variable, program, group, *words = shlex.split(remedy.rpartition(" && ")[2])
    assert (program, group) == ("mlflow", "experiments")
    monkeypatch.setenv(*variable.split("=", 1))
    commands.main(words, standalone_mode=False)
    assert Store(uri, "mine").experiment_id == store.experiment_id


def test_what_is_too_long_for_a_store_is_cut_and_says_so(tmp_path):
    store = Store(new_store(tmp_path / "store.db"), "mine")
    command = "python -m lenet_exp.run " + 6000 * "x"
    run = store.create("long", {"command": command})
    with contextlib.closing(Journal(tmp_path / "run")) as journal:
        journal.append("tags", {"command": command, "short": "x" * 600})
        journal.append("params", {"data.path": command})
        complete(run, journal)
    data = store.client.get_run(run.run_id).data
    cut = " ... (cut: whole in the artifacts)"
    assert data.tags["command"] == command[: 5000 - len(cut)] + cut
    assert data.tags["short"] == "x" * 600
    assert data.params["data.path"] == command[: 500 - len(cut)] + cut
