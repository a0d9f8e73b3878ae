"""An order of any size reaches its job, and who waits to read it holds nobody up."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from lenet_exp.sweep.executors import ordered
from lenet_exp.sweep.executors.forked import ForkServer
from lenet_exp.sweep.executors.local_worker import LocalWorker, WarmWorker
from lenet_exp.sweep.executors.warm import WarmProcess

pytestmark = pytest.mark.stackless

LARGE = {"text": "x" * (3 << 20)}  # of many times what a pipe holds
JOB = """
import json, sys, time
time.sleep(0.5)
sys.exit(7 if len(json.loads(sys.stdin.buffer.readline())["text"]) == 3 << 20 else 8)
"""
SERVER = f"""
import socket, sys, time
from lenet_exp.sweep.executors import fork_server
if "threads" in sys.argv:
    sys.exit(1)
time.sleep(0.5)
request = fork_server.serve(socket.socket(fileno=int(sys.argv[-1])))
if request is not None:
    fork_server.become(request)
    exec({JOB!r})
"""


class Forks:
    def __init__(self, server):
        self.server = server

    def job(self, command, log):
        return WarmProcess(self.server, command, log, lambda: None)


@pytest.fixture
def worker_of(tmp_path):
    """Return a function: how a process is started -> a worker of it."""
    servers = []

    def worker(how):
        command, log = [sys.executable, "-c", JOB], tmp_path / "log"
        if how == "afresh":
            return LocalWorker(command, log)
        servers.append(ForkServer("-c", SERVER, *(["threads"] if how == "refused" else [])))
        return WarmWorker(Forks(servers[0]), command, log)

    yield worker
    for server in servers:
        server.close()


@pytest.mark.parametrize("how", ["afresh", "forked", "refused"])
def test_a_large_order_arrives_whole(worker_of, how):
    worker = worker_of(how)
    worker.start(LARGE)
    assert worker.poll() is None  # it came back before the job has read any of it
    while worker.poll() is None:
        time.sleep(0.01)
    assert worker.poll() == 7


def test_who_ends_without_reading_is_no_error(tmp_path):
    worker = LocalWorker([sys.executable, "-c", "pass"], tmp_path / "log")
    worker.start(LARGE)
    while worker.poll() is None:
        time.sleep(0.01)
    assert worker.poll() == 0


ORDERED = """
import os, signal, sys
from lenet_exp.sweep.executors import ordered
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup's stays ignored
class Waiting:
    def readline(self):
        os.kill(os.getpid(), getattr(signal, sys.argv[1]))
        signal.pause()
sys.stdin = type("", (), {"buffer": Waiting()})()
sys.exit(ordered.exit_code(lambda order: 0))
"""


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGHUP", 143), ("SIGINT", 130)])
def test_who_waits_for_the_order_ends_as_a_job_does(name, code):
    done = subprocess.run(
        [sys.executable, "-c", ORDERED, name], stderr=subprocess.PIPE, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (code, "")


@pytest.mark.parametrize("line", [b"", b'{"seed'])
def test_an_order_that_was_cut_off_is_none(line, monkeypatch):
    monkeypatch.setattr(ordered, "handle_signals", lambda: None)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(line)))
    assert ordered.exit_code(lambda order: 0) == 1
