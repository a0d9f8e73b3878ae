"""Processes of a fork server end, are signalled and are replaced as fresh interpreters are."""

from __future__ import annotations

import signal
import sys
import time

import pytest

from lenet_exp.sweep.executors.forked import ForkServer
from lenet_exp.sweep.executors.warm import WarmProcess

pytestmark = pytest.mark.stackless

SERVER = """
import os, socket, sys, time
from lenet_exp.sweep.executors import fork_server
if "threads" in sys.argv:
    sys.exit(1)
time.sleep(1 if "slow" in sys.argv else 0)
request = fork_server.serve(socket.socket(fileno=int(sys.argv[-1])))
if request is not None:
    fork_server.become(request)
    exec(sys.stdin.readline())
"""
FRESH = [sys.executable, "-c", "import sys; print('afresh', file=sys.stderr); exec(input())"]


@pytest.fixture
def started(tmp_path):
    """Return a function: the words for a server and its job's line -> process, log, refusals."""
    servers = []

    def start(line, *words):
        script = tmp_path / "server.py"
        script.write_text(SERVER)
        servers.append(ForkServer(str(script), *words))
        log, refused = tmp_path / "log", []
        with log.open("ab") as stream:
            made = WarmProcess(servers[0], FRESH, stream, lambda: refused.append(True))
        made.stdin.write(line.encode() + b"\n")
        made.stdin.flush()
        return made, log, refused

    yield start
    for server in servers:
        server.close()


def end_of(process):
    until = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    return process.poll()


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("sys.exit(3)", 3),
        ("sys.exit(os.getsid(0) != os.getpid())", 0),
        ("sys.exit(os.environ.get('OMP_NUM_THREADS') is not None)", 0),
        ("os.kill(os.getpid(), 9)", -9),
        ("1 / 0", 1),
    ],
)
def test_a_forked_job_is_a_process_of_its_own(started, monkeypatch, line, code):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    made, log, refused = started(line)
    assert end_of(made) == code
    assert ("ZeroDivisionError" in log.read_text()) == (line == "1 / 0")
    assert refused == []
    assert made._forked._answers == -1


def test_where_nothing_can_be_forked_a_fresh_interpreter_has_the_same_order(started):
    made, log, refused = started("sys.exit(4)", "threads")
    assert end_of(made) == 4
    assert log.read_text() == "afresh\n"
    assert refused == [True]
    assert made._forked._answers == -1


def test_a_forked_job_is_ended_by_a_signal(started):
    made, log, _ = started("print('up', file=sys.stderr, flush=True); time.sleep(600)")
    while "up" not in log.read_text():
        assert made.poll() is None
    made.send_signal(signal.SIGTERM)
    assert end_of(made) == -signal.SIGTERM


def test_what_is_not_forked_yet_is_never_begun(started):
    made, _, _ = started("print('begun', file=sys.stderr)", "slow")
    made.send_signal(signal.SIGTERM)
    assert made.poll() == -signal.SIGTERM
    assert made._forked._answers == -1


def test_a_job_is_not_made_twice_if_who_waits_for_it_is_killed(started, tmp_path):
    line = "os.kill(os.getppid(), 9); open('begun', 'a').write('x'); time.sleep(1)"
    made, log, refused = started(line)
    assert end_of(made) == -signal.SIGKILL  # how it really ended nobody knows
    assert ((tmp_path / "begun").read_text(), log.read_text(), refused) == ("x", "", [])
