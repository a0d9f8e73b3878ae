"""A run whose process has ended is settled in the store: with all that it had recorded."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from pathlib import Path

import pytest

from lenet_exp.errors import StoreError
from lenet_exp.record.store import dead_runs, journal, processes, sync
from lenet_exp.record.store.journal import Journal
from lenet_exp.record.store.mlflow_store import Run, Store
from tests.stores import new_store

DEAD = json.dumps({**json.loads(processes.this_process()), "pid": 1 << 22 | 1})


@pytest.fixture
def store(tmp_path):
    return Store(new_store(tmp_path / "store.db"), "lenet-exp")


def left(store, folder, status="RUNNING", **tags):
    """Return the run of a process that is dead, of whose record the store has nothing."""
    tags = {processes.TAG: DEAD, "folder": str(folder), **tags}
    with contextlib.closing(Journal(folder)) as held:
        run = sync.open_run(store, held, folder.name, tags)
        held.append("tags", {**tags, "precision": "fp16"})
        held.append("params", {"seed": 3})
        held.append("metrics", {"loss": 2.5}, 10)
        (folder / "out.txt").write_text("x")
        held.append("artifact", {"path": "out.txt"})
        if status != "RUNNING":
            held.append("status", {"status": status})
        return run.run_id, held.entries[-1].time


def told(store, run_id):
    found = store.client.get_run(run_id)
    return found.info.status, found.data.params, found.data.metrics


ALL = ({"seed": "3"}, {"loss": 2.5})


def test_what_it_had_no_time_to_send_is_there(store, tmp_path):
    run_id, ended = left(store, tmp_path / "run")
    with contextlib.closing(Journal(tmp_path / "run")):
        dead_runs.settle_in(store, tmp_path / "run")
        assert told(store, run_id)[0] == "RUNNING"  # another process has the journal still
    for _ in range(2):
        dead_runs.settle_in(store, tmp_path / "run")
        assert told(store, run_id) == ("KILLED", *ALL)
    found = store.client.get_run(run_id)
    assert found.info.end_time == ended
    assert found.data.tags["precision"] == "fp16"
    assert [one.path for one in store.client.list_artifacts(run_id)] == ["out.txt"]
    assert len(store.client.get_metric_history(run_id, "loss")) == 1


AWAY = "ended while the store was away; the store has all of it now"


@pytest.mark.parametrize(("status", "tags", "ends", "said"), [
    ("RUNNING", {}, "KILLED", "run {id} was killed; to go on: python -m lenet_exp.run resume="),
    ("KILLED", {}, "KILLED", "run {id} was killed; to go on: python -m lenet_exp.run resume="),
    ("FINISHED", {}, "FINISHED", f"run {{id}} {AWAY}"),
    ("FAILED", {}, "FAILED", f"run {{id}} {AWAY}"),
    ("FINISHED", {"mlflow.parentRunId": "p"}, "FINISHED", None),
    ("RUNNING", {"mlflow.parentRunId": "p"}, "KILLED", None),
    ("FINISHED", {"sweep_parent": "true", "sweep": "mine"}, "FINISHED", f"sweep mine {AWAY}"),
    ("RUNNING", {"sweep_parent": "true", "sweep": "mine", "command": "c"}, "KILLED",
     "sweep mine was killed; to go on: c"),
])  # fmt: skip
def test_the_next_command_tells_the_store_all_of_it(status, tags, ends, said, store, tmp_path):
    run_id, _ = left(store, tmp_path / "run", status, **tags)
    lines = [*dead_runs.end_dead_runs(store, tmp_path / "mine")]
    assert [line[: len(said.format(id=run_id))] for line in lines] == (
        [said.format(id=run_id)] if said else []
    )
    assert told(store, run_id) == (ends, *ALL)
    assert [*dead_runs.end_dead_runs(store, tmp_path / "mine")] == []


def refuse(name, modes=()):
    """Have a call of the run's record refuse, as the system does to who is not root."""

    def patched(folder, monkeypatch):
        made = getattr(Path, name)

        def call(self, *words, **named):
            if self == folder / journal.NAME and words[:1] in [
                (mode,) if mode else () for mode in modes
            ]:
                raise PermissionError
            return made(self, *words, **named)

        monkeypatch.setattr(Path, name, call)

    return patched


def remove(folder, _):
    shutil.rmtree(str(folder))


def make_a_file(folder, _):
    shutil.rmtree(str(folder))
    folder.write_text("")


STATES = {
    "a closed home": (refuse("lstat", [""]), "RUNNING"),
    "not to be read": (refuse("open", ["r+b", "rb", "ab"]), "RUNNING"),
    "not to be written": (refuse("open", ["r+b", "ab"]), "FINISHED"),
    "damaged": (lambda folder, _: (folder / journal.NAME).write_text("{}\n"), "KILLED"),
    "of another run": (lambda folder, _: (folder / journal.NAME).write_text(""), "KILLED"),
    "removed": (remove, "KILLED"),
    "a file": (make_a_file, "KILLED"),
}


@pytest.mark.parametrize("state", STATES)
def test_what_can_t_be_known_stays_and_holds_nobody_up(state, store, tmp_path, monkeypatch):
    change, ends = STATES[state]
    first, second = (left(store, tmp_path / name, "FINISHED")[0] for name in "ab")
    with monkeypatch.context() as patch:
        change(tmp_path / "a", patch)
        lines = [*dead_runs.end_dead_runs(store, tmp_path)]
    assert f"run {second} {AWAY}" in lines
    assert (told(store, first)[0], told(store, second)[0]) == (ends, "FINISHED")


def test_a_run_that_is_another_person_s_or_is_gone_on_with_is_left(store, tmp_path, monkeypatch):
    run_id, _ = left(store, tmp_path / "run", "FINISHED")
    assert [*dead_runs.end_dead_runs(store, tmp_path / "run")] == []
    with contextlib.closing(Journal(tmp_path / "run")):
        assert [*dead_runs.end_dead_runs(store, tmp_path)] == []
    monkeypatch.setattr(os, "geteuid", lambda: 7)
    assert [*dead_runs.end_dead_runs(store, tmp_path)] == []
    assert told(store, run_id) == ("RUNNING", {}, {})


def test_what_the_store_refuses_is_tried_again_and_holds_nobody_up(store, tmp_path, monkeypatch):
    (first, _), (second, _) = (left(store, tmp_path / name, "FINISHED") for name in "ab")
    made = Run.metrics

    def refused(self, points):
        if self.run_id == first:
            raise StoreError("it", "refuses", "wait")
        made(self, points)

    monkeypatch.setattr(Run, "metrics", refused)
    assert [*dead_runs.end_dead_runs(store, tmp_path)] == [f"run {second} {AWAY}"]
    assert told(store, first)[0] == "RUNNING"
    monkeypatch.undo()
    assert [*dead_runs.end_dead_runs(store, tmp_path)] == [f"run {first} {AWAY}"]
    assert told(store, first) == ("FINISHED", *ALL)
