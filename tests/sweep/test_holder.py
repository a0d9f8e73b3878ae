"""Which launching process has a sweep, where locks say nothing."""

from __future__ import annotations

import contextlib
import json

import pytest

from lenet_exp.errors import LeaseLostError, StoreError
from lenet_exp.record.store import holder, journal, lease, processes
from lenet_exp.sweep import parent
from lenet_exp.sweep.attempt import Attempt
from lenet_exp.sweep.jobs import jobs_of
from tests.sweep.test_pool import NOTHING, Given, Request, composed

pytestmark = pytest.mark.stackless
COMMAND = "python -m lenet_exp.run -m seed=0"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(holder, "_BEAT", 0.01)
    monkeypatch.setattr(holder, "_SILENCE", 0.1)


@pytest.fixture
def without_locks(monkeypatch):
    """Have each host lock for itself, as some network file systems do."""
    monkeypatch.setattr(journal, "_lock", lambda stream, folder: None)


def on(monkeypatch, host):
    monkeypatch.setattr(processes.socket, "gethostname", lambda: host)


def test_two_hosts_never_have_it_together(tmp_path, monkeypatch, without_locks):
    on(monkeypatch, "n1")
    with parent.hold(tmp_path, COMMAND):
        on(monkeypatch, "n2")
        with pytest.raises(StoreError, match="on n1 is at work on this sweep"), parent.hold(
            tmp_path, COMMAND
        ):
            pass
    with parent.hold(tmp_path, COMMAND) as held:
        held.check()
    assert [path.name for path in tmp_path.glob(".*.alive")] == []


def test_one_that_shows_no_life_is_given_up(tmp_path, monkeypatch, without_locks):
    on(monkeypatch, "n1")
    process = json.loads(processes.this_process())
    dead = lease.give(tmp_path, **process)
    (tmp_path / f".{dead.token}.alive").write_text("7")
    on(monkeypatch, "n2")
    with parent.hold(tmp_path, COMMAND) as held:
        held.check()
        assert not dead.is_ours()
        assert not (tmp_path / f".{dead.token}.alive").exists()


def test_on_its_own_host_the_lock_says_it_at_once(tmp_path, monkeypatch):
    dead = lease.give(tmp_path, **json.loads(processes.this_process()))
    (tmp_path / f".{dead.token}.alive").write_text("7")
    monkeypatch.setattr(holder, "_SILENCE", 1e9)
    with parent.hold(tmp_path, COMMAND):
        pass


@pytest.fixture
def cut_off(tmp_path, monkeypatch, without_locks):
    """A launching process behind a partition, with a job; another host has taken the sweep."""
    request = Request(tmp_path, NOTHING, Given(("RUNNING", None, None)), COMMAND,
                      [composed("seed=1"), composed("seed=2")])  # fmt: skip
    jobs = jobs_of(request, lambda path: "data", "tf2")
    with parent.hold(tmp_path, COMMAND) as held:
        attempt = Attempt(jobs[0], request.executor, {}, 0, held.check)
        lease.give(tmp_path, host="n2")
        yield held, attempt, jobs[1], request.executor


def test_who_lost_the_sweep_gives_no_lease(cut_off):
    held, _, job, executor = cut_off
    with pytest.raises(LeaseLostError):
        Attempt(job, executor, {}, 0, held.check)
    assert not job.folder.exists()
    with pytest.raises(LeaseLostError):
        lease.take(job.folder, "local", held.check)


def test_who_lost_the_sweep_describes_no_job_of_it(cut_off):
    _, attempt, _, _ = cut_off
    lease.take(attempt.job.folder, "of the other host")
    with contextlib.closing(journal.Journal(attempt.job.folder)) as held:
        held.append("tags", {processes.TAG: processes.this_process(2)})
    before = lease.read(attempt.job.folder)
    attempt._read = -1e9
    with pytest.raises(LeaseLostError):
        attempt.look()
    assert lease.read(attempt.job.folder) == before


def test_who_lost_the_sweep_records_nothing_of_it(cut_off):
    held, *_ = cut_off
    before = (held.folder / journal.NAME).read_bytes()
    with pytest.raises(LeaseLostError):
        held.append("status", {"status": "FINISHED"})
    assert (held.folder / journal.NAME).read_bytes() == before


def test_it_is_asked_last_before_a_lease_gets_its_name(tmp_path):
    asked = []

    def check():
        asked.append(None)
        if len(asked) > 1:
            raise LeaseLostError(tmp_path, 1, 2)

    with pytest.raises(LeaseLostError):
        lease.take(tmp_path, "local", check)
    assert lease.read(tmp_path) == {}
