"""How an attempt's record ends where its process did not end it, and whether that is waited for."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import pytest

from lenet_exp.errors import LeaseLostError
from lenet_exp.record.store import journal, lease, processes
from lenet_exp.record.store.journal import Journal
from lenet_exp.sweep import attempt as attempts
from lenet_exp.sweep import state
from lenet_exp.sweep.attempt import Attempt, end_all
from lenet_exp.sweep.executors.executor import End
from lenet_exp.sweep.jobs import Request, jobs_of
from tests.sweep import test_pool
from tests.sweep.test_pool import Given, Stub, run
from tests.sweep.test_seeds import NOTHING, composed

pytestmark = pytest.mark.stackless
LOST, CRASHED = ("RUNNING", -9, End.LOST), ("RUNNING", -11, End.FAILED)


def known(folder):
    entries = journal.read(folder)
    tags = {k: v for k, v in journal.merged(entries, "tags").items() if k.startswith("lost_")}
    return journal.merged(entries, "status")["status"], tags


@pytest.mark.parametrize(("ends", "status", "numbers"), [
    ([LOST, LOST, LOST, LOST], "KILLED", [1, 2, 3, 4]),
    ([LOST, CRASHED], "KILLED", [1, 2]),
    ([LOST, ("KILLED", -15, End.FAILED)], "KILLED", [1, 2]),
    ([LOST, ("FAILED", 1, End.FAILED)], "FAILED", [1]),
    ([LOST, ("FINISHED", 0, End.FAILED)], "FINISHED", [1]),
])  # fmt: skip
def test_a_job_that_is_given_up_says_how_each_attempt_ended(ends, status, numbers, tmp_path):
    executor, _ = run(tmp_path, *ends)
    assert len(executor.made) == len(ends)
    (folder,) = [path for path in tmp_path.iterdir() if path.is_dir()]
    tags = {f"lost_{number}": f"ended by {ends[number - 1][1]}" for number in numbers}
    assert known(folder) == (status, tags)
    shown = "\n".join(state.lines(tmp_path))
    assert "running" not in shown
    assert f"lost before: {', '.join(tags.values())}" in shown


def begun(folder, *end):
    made = composed("seed=1")._replace(files={"config.yaml": "path: /donn\u00e9es\n"})
    request = Request(folder, NOTHING, Given(end), "", [made])
    (job,) = jobs_of(request, lambda path: "data", "tf2")
    return Attempt(job, request.executor, {}, 0, lambda: None)


def test_who_is_given_up_and_lives_writes_no_more(tmp_path):
    one = begun(tmp_path, *LOST)
    folder, given = one.job.folder, lease.read(one.job.folder)
    one.look()
    with contextlib.closing(Journal(folder, lease.Lease(folder, 1, given["token"]).check)) as old:
        one.end_record("killed")
        with pytest.raises(LeaseLostError):
            old.append("status", {"status": "FINISHED"})
    assert known(folder) == ("KILLED", {"lost_1": "killed"})
    now = lease.read(folder)
    assert {**now, "token": given["token"]} == given
    assert begun(tmp_path, *LOST).number == 2


class Torn(Stub):
    """A process of a node that fails, and leaves its record with a hole."""

    def start(self, order):
        super().start(order)
        with (Path(order["folder"]) / journal.NAME).open("ab") as stream:
            stream.write(b"\0\n")


def test_a_record_that_is_damaged_when_its_job_is_to_go_on_fails_that_job(tmp_path, monkeypatch):
    monkeypatch.setattr(test_pool, "Stub", Torn)
    executor, failed = run(tmp_path, LOST, LOST)
    assert len(executor.made) == 1
    assert "is damaged" in "".join(failed.values())


def test_who_is_killed_has_ended_afterwards(tmp_path, monkeypatch):
    monkeypatch.setattr(attempts, "_GRACE", 0.05)
    one, got, looks = begun(tmp_path, *LOST), [], iter([None, None, None])
    one.worker.signal = got.append
    one.worker.poll = lambda: next(looks, -9) if signal.SIGKILL in got else None
    end_all([one], Given((LOST,)))
    assert got == [signal.SIGTERM, signal.SIGKILL]
    assert next(looks, "it was waited for") == "it was waited for"


@pytest.mark.parametrize("write", [
    journal.supersede,
    lambda folder: lease.Lease(folder, 1, "x").describe(place="local"),
    lambda folder: begun(folder.parent, *LOST),
], ids=["journal", "lease", "Hydra's files"])  # fmt: skip
def test_a_full_disk_leaves_what_was_there_and_nothing_half_written(write, tmp_path, monkeypatch):
    folder = begun(tmp_path, *LOST).job.folder
    gone = processes.unfinished(folder / journal.NAME).name.replace(str(os.getpid()), "0")
    (folder / gone).write_text("half")  # nobody has that number
    journal.supersede(folder)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert folder / gone not in before
    assert (folder / ".hydra" / "config.yaml").read_text(
        encoding="utf-8"
    ) == "path: /donn\u00e9es\n"
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            write(folder)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def full(descriptor):
    raise OSError(28, "No space left on device")
