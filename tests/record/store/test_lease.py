"""Who has lost a job writes nothing more of it, wherever it was when that happened."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from lenet_exp.data.mnist import Split
from lenet_exp.errors import LeaseLostError, LeaseUnreadableError, StoreError
from lenet_exp.record.run import checkpoints, run_files, run_record
from lenet_exp.record.run.run_record import Identity, RunRecord
from lenet_exp.record.store import journal, lease, mlflow_store, processes
from lenet_exp.record.store.journal import Journal
from lenet_exp.record.store.mlflow_store import Run, Store
from lenet_exp.record.store.sync import NOTHING, Observer, open_run
from lenet_exp.training.history import History, Steps
from lenet_exp.training.runner import Findings

TEST = Split(np.zeros((1, 28, 28, 1), np.float32), np.zeros(1, np.uint8))


def begun(folder, place="local"):
    """Take the lease as a sweep does, and open the journal as its job does."""
    taken = lease.take(folder, place)
    held = Journal(folder, taken.check)
    held.append("tags", {processes.TAG: processes.this_process(taken.attempt)})
    return taken, held


@pytest.fixture
def partition(tmp_path):
    """An old attempt with its journal still open and locked, and the new one."""
    old, its_journal = begun(tmp_path)
    its_journal.append("metrics", {"loss": 2.0}, 10)
    new, new_journal = begun(tmp_path, "slurm")
    with contextlib.closing(its_journal), contextlib.closing(new_journal):
        yield old, its_journal, new, new_journal


def test_attempts_are_counted_and_the_last_one_has_it(partition, tmp_path):
    old, _, new, _ = partition
    assert (old.attempt, old.is_ours(), new.attempt, new.is_ours()) == (1, False, 2, True)
    kept = lease.read(tmp_path)
    assert (kept["attempt"], kept["place"]) == (2, "slurm")


def test_the_new_attempt_has_what_was_recorded_before(partition):
    *_, held = partition
    assert [entry.step for entry in held.entries if entry.kind == "metrics"] == [10]


def test_an_entry_of_the_old_one_is_refused(partition, tmp_path):
    _, old_journal, _, new_journal = partition
    before = (tmp_path / journal.NAME).read_bytes()
    with pytest.raises(LeaseLostError, match=r"attempt 1 .* given up, and attempt 2 has it"):
        old_journal.append("metrics", {"loss": 1.0}, 20)
    assert (tmp_path / journal.NAME).read_bytes() == before
    assert new_journal.append("metrics", {"loss": 1.5}, 20) is not None


def test_an_entry_that_had_asked_before_reaches_nobody(partition, tmp_path):
    _, old_journal, _, _ = partition
    before = (tmp_path / journal.NAME).read_bytes()
    old_journal._write(b"what it was about to write when it was stopped\n")
    assert (tmp_path / journal.NAME).read_bytes() == before


def test_a_checkpoint_under_way_never_appears(tmp_path):
    old, its_journal = begun(tmp_path)

    def save(prefix):
        Path(f"{prefix}.index").write_text("variables")
        lease.take(tmp_path, "slurm")

    made = Steps(np.ones(5, np.float32), np.zeros(5, bool), 1.0)
    history = History().with_window(made, 1.0, cold=False)
    with contextlib.closing(its_journal), pytest.raises((LeaseLostError, OSError)):
        checkpoints.write(tmp_path, history, save, old.check)
    assert [*(tmp_path / "checkpoints").iterdir()] == []


def whole_history(steps):
    made = Steps(np.ones(steps, np.float32), np.zeros(steps, bool), 1.0)
    return History().with_window(made, 1.0, cold=False).with_validation(0.5)


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


RECORDED = {
    "window": lambda record: record.window(whole_history(5)),
    "validation": lambda record: record.validation(1, whole_history(5)),
    "checkpoint": lambda record: record.checkpoint(
        whole_history(5), lambda prefix: Path(f"{prefix}.index").write_text("variables")
    ),
    "findings": lambda record: record.report(Findings({"overflows.txt": "theirs"}, "said")),
    "result": lambda record: record.finish(TEST, TEST.labels, whole_history(5), 1),
    "beginning": lambda record: record.begin(Identity("a", {"seed": 1}, "", {}, {"x.txt": b"a"})),
}


def record_in(held):
    """Return the record of a run whose store and screen take everything."""
    run = SimpleNamespace(run_id="of both", link=str)
    observer = SimpleNamespace(send=lambda entry: None, problem=None, cpu_seconds=0.0)
    screen = SimpleNamespace(**dict.fromkeys(("say", "window", "wait_for"), lambda *_: None))
    return RunRecord(run, held, observer, screen)


@pytest.mark.parametrize("name", RECORDED)
def test_no_file_of_the_run_is_written_by_who_has_lost_it(partition, tmp_path, name):
    _, old_journal, _, _ = partition
    run_files.write_bytes(tmp_path / "overflows.txt", b"ours")
    before = contents(tmp_path)
    record = record_in(old_journal)
    with pytest.raises(LeaseLostError):
        RECORDED[name](record)
    assert contents(tmp_path) == before


def test_of_a_result_is_written_what_was_before_it_was_lost(tmp_path):
    asked = []

    def check():
        asked.append(None)
        if len(asked) > 4:  # the journal opens, its metrics, a file, another one
            raise LeaseLostError(tmp_path, 1, 2)

    with contextlib.closing(Journal(tmp_path, check)) as held:
        record = record_in(held)
        with pytest.raises(LeaseLostError):
            RECORDED["result"](record)
    written = {path.name for path in contents(tmp_path)}
    assert written == {journal.NAME, "performance_precision.txt", "test_predictions.npz"}


UNDER_WAY = {
    "a file": lambda folder, stop: run_files.write_bytes(folder / "report.html", b"old", stop),
    "a checkpoint": lambda folder, stop: checkpoints.write(
        folder, whole_history(5), lambda prefix: Path(f"{prefix}.index").write_text("old"), stop
    ),
}


@pytest.mark.parametrize("what", UNDER_WAY)
def test_what_was_about_to_get_its_name_leaves_that_of_the_new_attempt(tmp_path, what):
    """It had asked, was stopped, and the new attempt has meanwhile written the same."""
    _, its_journal = begun(tmp_path)
    made = []

    def stop():
        if not made:
            made.append(contents(tmp_path))
            lease.take(tmp_path, "slurm")
            UNDER_WAY[what](tmp_path, lambda: None)
            made.append(contents(tmp_path))

    with contextlib.closing(its_journal), pytest.raises(OSError, match=r"part"):
        UNDER_WAY[what](tmp_path, stop)
    assert contents(tmp_path) == made[1]


def test_a_checkpoint_of_the_new_attempt_is_not_pruned_by_the_old_one(tmp_path):
    save = UNDER_WAY["a checkpoint"]
    for step in range(1, 4):
        (tmp_path / "checkpoints" / str(step)).mkdir(parents=True)
    asked = []

    def check():
        asked.append(None)
        if len(asked) > 1:
            raise LeaseLostError(tmp_path, 1, 2)

    with pytest.raises(LeaseLostError):
        save(tmp_path, check)
    assert checkpoints.steps(tmp_path) == [1, 2, 3, 5]


@pytest.fixture
def told():
    """Return a run in a store, and the names of the calls that reach it."""
    calls = []

    class Client:
        def __getattr__(self, name):
            return lambda *values, **named: calls.append(name)

    store = SimpleNamespace(
        client=Client(), uri="", errors=contextlib.nullcontext, of_artifacts=contextlib.nullcontext
    )
    return Run(store, "of both"), calls


WRITES = {
    "log_batch": lambda run: run.tags({"a": "b"}),
    "log_artifact": lambda run: run.artifact(Path("no folder")),
    "update_run": lambda run: run.reopen(),
    "set_terminated": lambda run: run.end("KILLED"),
}


@pytest.mark.parametrize("name", WRITES)
def test_a_store_hears_only_who_has_the_lease(partition, told, name):
    old, _, new, _ = partition
    run, calls = told
    with pytest.raises(LeaseLostError):
        WRITES[name](run.checked_by(old.check))
    assert calls == []
    WRITES[name](run.checked_by(new.check))
    assert calls == [name]


class Refusing:
    """A client whose server is being started again; the lease is lost meanwhile."""

    def __init__(self, lose):
        self.asked, self._lose = 0, lose

    def create_run(self, *given):
        self.asked += 1
        if self.asked == 2:
            self._lose()
        raise StoreError("the server", "doesn't answer", "wait")


def test_a_run_is_created_only_while_the_lease_is_held(tmp_path, monkeypatch):
    monkeypatch.setattr(mlflow_store.time, "sleep", lambda seconds: None)
    taken, held = begun(tmp_path)
    store = object.__new__(Store)
    store.uri, store.experiment_id, store._patience, store._file = "", "0", 3600.0, None
    store.client = Refusing(lambda: lease.take(tmp_path, "slurm"))
    store.running = dict
    with contextlib.closing(held):
        with pytest.raises(LeaseLostError):
            open_run(store, held, "name", {})
        assert store.client.asked == 2
        with pytest.raises(LeaseLostError):
            open_run(store, held, "name", {})
    assert (store.client.asked, taken.is_ours()) == (2, False)


def test_what_waits_for_the_store_is_given_up_with_the_lease(partition, told, tmp_path):
    old, old_journal, _, _ = partition
    run, calls = told
    observer = Observer(run.checked_by(old.check), tmp_path, NOTHING, every=0.01)
    observer.send(old_journal.entries[-1])
    assert observer.close(10)
    assert (observer.problem, calls) == (None, [])


def test_a_person_at_work_on_the_same_run_keeps_it(tmp_path):
    with contextlib.closing(Journal(tmp_path)) as theirs:
        theirs.append("tags", {processes.TAG: processes.this_process()})
        with pytest.raises(StoreError, match="another process is at work"):
            lease.take(tmp_path, "local")
        theirs.append("metrics", {"loss": 1.0}, 1)
    assert lease.take(tmp_path, "local").attempt == 1


@pytest.mark.parametrize("text", ["", "{", "[]", '{"attempt": "x", "token": null}'])
def test_a_damaged_lease_is_nobody_s(text, tmp_path):
    taken, held = begun(tmp_path)
    held.close()
    (tmp_path / lease.NAME).write_text(text)
    assert not taken.is_ours()
    assert lease.take(tmp_path, "local").is_ours()


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE, errno.EMFILE])
def test_one_that_can_t_be_read_says_that_and_is_nobody_s_yet(code, tmp_path, monkeypatch):
    taken, held = begun(tmp_path)
    problem = OSError(code, os.strerror(code))

    def kept(folder):
        raise problem

    with monkeypatch.context() as patch, contextlib.closing(held):
        patch.setattr(lease, "_kept", kept)
        patch.setattr(lease, "_PAUSE", 0.0)
        with pytest.raises(LeaseUnreadableError, match=os.strerror(code)):
            held.append("metrics", {"loss": 1.0}, 1)
        store = SimpleNamespace(client=None, uri="")
        observer = Observer(Run(store, "x", held.check), tmp_path, NOTHING, every=0.01)
        observer.send(held.entries[0])
        assert observer.close(10)
        assert observer._waiting
    assert taken.is_ours()


def test_it_is_read_again_where_a_file_server_lost_sight_of_it(tmp_path, monkeypatch):
    taken, held = begun(tmp_path)
    held.close()
    given = lease.read(tmp_path)
    seen = iter([OSError(errno.ESTALE, "stale"), {}, given])

    def kept(folder):
        found = next(seen)
        if isinstance(found, OSError):
            raise found
        return found

    monkeypatch.setattr(lease, "_kept", kept)
    monkeypatch.setattr(lease, "_PAUSE", 0.0)
    assert taken.is_ours()


def test_the_lock_of_a_lost_attempt_is_known_as_soon_as_it_has_it(tmp_path, monkeypatch):
    taken = lease.take(tmp_path, "local")

    def open_run(store, held, name, tags):
        assert lease.take(tmp_path, "slurm").attempt == 2
        raise StoreError("the server", "doesn't answer", "wait")

    monkeypatch.setattr(run_record.sync, "open_run", open_run)
    identity = Identity("a", {}, "", {}, {})
    screen = SimpleNamespace(close=lambda: None)
    store = SimpleNamespace(uri="x")
    with pytest.raises(StoreError, match="doesn't answer"), run_record.open_record(
        store, identity, tmp_path, screen, taken
    ):
        pass
