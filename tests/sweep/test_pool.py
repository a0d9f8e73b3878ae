"""What a pool makes of the end of a job's process, by what its journal has and how it ended."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from lenet_exp.record.store import journal
from lenet_exp.sweep.attempt import end_all
from lenet_exp.sweep.decision import Action, Decision
from lenet_exp.sweep.executors.executor import End, Executor, Reason, Worker
from lenet_exp.sweep.jobs import Request, jobs_of
from lenet_exp.sweep.pool import JobPool
from lenet_exp.sweep.view import View
from tests.sweep.test_seeds import NOTHING, composed

pytestmark = pytest.mark.stackless
RESULT = {"accuracy": 0.9, "sec_per_step": 0.1}


class Stub(Worker):
    """A process that leaves a status in its journal, and ends as it is told."""

    def __init__(self, status, code, end):
        self._status, self._code, self._end = status, code, end

    def start(self, order):
        self.tags = order["tags"]
        with contextlib.closing(journal.Journal(Path(order["folder"]))) as held:
            held.append("run", {"run_id": "r", "name": "x", "cwd": "/", "uri": "x"})
            held.append("metrics", RESULT, 1)
            held.append("status", {"status": self._status})

    def poll(self):
        return self._code

    def signal(self, number):
        pass

    def reason(self):
        return Reason(self._end, f"ended by {self._code}")


class Given(Executor):
    """Gives these processes, one after the other."""

    name = "given"

    def __init__(self, *ends):
        super().__init__(1, 3)
        self.made, self._ends = [], list(ends)

    def worker(self, log, name, module=()):
        self.made.append(Stub(*self._ends.pop(0)))
        return self.made[-1]


def run(folder, *ends):
    """Run a job whose attempts end so; return the executor, and what failed."""
    executor = Given(*ends)
    request = Request(folder, NOTHING, executor, "", [composed("seed=1")])
    store = SimpleNamespace(find=lambda run_id: None)
    decisions = [
        Decision(job, Action.RUN, "") for job in jobs_of(request, lambda path: "data", "tf2")
    ]
    return executor, JobPool(request, store, "parent", View()).run(decisions)


@pytest.mark.parametrize("code", [0, 1, 143, -9])
def test_a_job_whose_record_is_finished_is_not_made_again(tmp_path, code):
    executor, failed = run(tmp_path, ("FINISHED", code, End.LOST))
    assert (len(executor.made), failed) == (1, {})


def test_how_attempts_were_lost_is_told_by_their_numbers(tmp_path):
    lost, finished = ("RUNNING", -9, End.LOST), ("FINISHED", 0, End.FAILED)
    run(tmp_path, lost, lost, ("FAILED", 1, End.FAILED))
    executor, failed = run(tmp_path, ("RUNNING", -15, End.LOST), finished)
    assert failed == {}
    assert [made.tags["attempts"] for made in executor.made] == ["4", "5"]
    assert executor.made[-1].tags["lost_4"] == "ended by -15"
    assert "lost_1" not in executor.made[-1].tags  # the run has it, of the command before


class Signalled(Executor):
    """An executor in which a signal takes so long that a second Ctrl-C comes."""

    name = "given"

    def __init__(self):
        super().__init__(1, 0)
        self.sent = []

    def worker(self, log, name, module=()):
        raise NotImplementedError

    def signal(self, workers, number):
        self.sent.append((len(workers), number))
        if number == signal.SIGTERM:
            raise KeyboardInterrupt


def test_a_second_ctrl_c_kills_all_at_once_however_far_the_first_one_was():
    executor = Signalled()
    attempts = [SimpleNamespace(worker=Stub("RUNNING", code, End.LOST)) for code in (None, 0, None)]
    with pytest.raises(KeyboardInterrupt):
        end_all(attempts, executor)
    assert executor.sent == [(2, signal.SIGTERM), (2, signal.SIGKILL)]
