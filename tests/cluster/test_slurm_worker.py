"""Processes on a real Slurm's nodes: their order, their signals, and what their end means."""

from __future__ import annotations

import os
import signal

import pytest

from lenet_exp.sweep.executors.executor import End
from lenet_exp.sweep.executors.slurm import Slurm
from tests.end_to_end.sweeps import wait_for

pytestmark = pytest.mark.stackless
GIVEN = {
    "partition": "npu", "time": None, "gres": "npu:1", "account": None, "mem": 200,
    "cpus_per_task": 1, "options": None, "setup": ["export FROM_SETUP=1"], "python": None,
    "launching": None,
}  # fmt: skip
# Does as it is ordered, and says what it got.
_JOB = """
import json, os, signal, sys, time
order = json.loads(sys.stdin.readline())
def end(number, frame):
    print("got", number, file=sys.stderr, flush=True)
    sys.exit(128 + number)
signal.signal(signal.SIGTERM, end)
print("began", os.environ["FROM_SETUP"], sorted(os.environ), file=sys.stderr, flush=True)
if "say" in order:
    print(order["say"], file=sys.stderr)
if "fill" in order:
    kept = bytearray(os.urandom(1 << 20)) * 1000
while "wait" in order or "fill" in order:
    time.sleep(0.1)
sys.exit(order["code"])
"""


@pytest.fixture
def started(slurm, tmp_path, monkeypatch):
    """Return a function that starts a process with an order, and the queue's names of them."""
    for key, value in slurm.environment.items():
        monkeypatch.setenv(key, value)
    workers = []

    def start(number, **order):
        log = tmp_path / f"{number}.log"
        module = ("-c", _JOB)
        worker = Slurm(1, 3, **GIVEN).worker(log, f"lenet-exp:s:{os.getpid()}:{number}", module)
        worker.start(order)
        workers.append(worker)
        return worker, log

    yield start
    for worker in workers:
        worker.signal(signal.SIGKILL)


def ended(worker):
    wait_for(lambda: worker.poll() is not None, seconds=60)
    return worker.reason()


def test_each_end_is_told_from_the_others(started, slurm):
    workers = {
        "done": started(1, code=0),
        "failed": started(2, code=1, say="lenet-exp: no data"),
        "ended": started(3, wait=True),
        "cancelled": started(4, wait=True),
        "filled": started(5, fill=True),
    }
    for name in ("ended", "cancelled"):
        wait_for(lambda name=name: "began 1" in workers[name][1].read_text())
    workers["ended"][0].signal(signal.SIGTERM)
    slurm.call("scancel", f"--name=lenet-exp:s:{os.getpid()}:4")
    reasons = {name: ended(worker) for name, (worker, _) in workers.items()}
    assert workers["done"][0].poll() == 0
    assert reasons["failed"] == (End.FAILED, "no data")
    assert reasons["ended"].end is reasons["cancelled"].end is End.LOST
    assert reasons["ended"].text.startswith("ended by SIGTERM on n")
    assert reasons["cancelled"].text.startswith("CANCELLED on n")
    assert (reasons["filled"].end, reasons["filled"].text[-11:]) == (End.MEMORY, " limit 200M")
    assert "got 15" in workers["ended"][1].read_text()
    assert all("order" not in log.read_text() for _, log in workers.values())


def test_who_waits_in_the_queue_leaves_it(started, slurm):
    first, log = started(1, wait=True)
    wait_for(lambda: "began" in log.read_text())
    executor = Slurm(1, 3, **{**GIVEN, "options": {"nodelist": "n1", "exclusive": True}})
    executor._options += [f"--dependency=afterany:{job_of(slurm, 1)}"]
    waiting = executor.worker(log.with_name("w.log"), f"lenet-exp:s:{os.getpid()}:2", ("-c", _JOB))
    waiting.start({"code": 0})
    wait_for(lambda: job_of(slurm, 2))
    waiting.signal(signal.SIGTERM)
    assert ended(waiting) == (End.LOST, "cancelled while it waited for a node")
    assert Slurm(1, 3, **GIVEN).end_leftovers(f"lenet-exp:s:{os.getpid()}:") == 1
    assert ended(first).end is End.LOST
    assert Slurm(1, 3, **GIVEN).end_leftovers(f"lenet-exp:s:{os.getpid()}0:") == 0


def job_of(slurm, number):
    return slurm.call(
        "squeue", "-h", f"--name=lenet-exp:s:{os.getpid()}:{number}", "-o", "%i"
    ).strip()
