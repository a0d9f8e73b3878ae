"""Processes that a fork server starts, used as subprocess uses fresh interpreters."""

from __future__ import annotations

import array
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from typing import Any, Dict, Mapping, Optional, Sequence

from lenet_exp.record.store import processes
from lenet_exp.sweep.executors.fork_server import ENVIRONMENT, NUMBER


class NotForkedError(Exception):
    """The fork server has ended before it could fork: what it imports holds threads."""


class ForkServer:
    """A process that has imported what its children need; it ends when it is closed, or we do."""

    def __init__(self, *program: str, told: Optional[Mapping[str, Any]] = None) -> None:
        """Start what `program` tells Python, and the number of its socket; it takes seconds.

        `told` is written to its standard input as a line of JSON, and read there at once.
        """
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - no shell, and our own words
                [sys.executable, *program, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env={**os.environ, **ENVIRONMENT},
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        with contextlib.suppress(BrokenPipeError), self._process.stdin as stdin:  # it has ended
            stdin.write(json.dumps(told).encode() + b"\n")

    def fork(self, request: Dict[str, Any], streams: Sequence[int]) -> ForkedProcess:
        """Ask for a process with these three standard streams, which stay open here."""
        answers, theirs = os.pipe()
        numbers = array.array("i", [*streams, theirs])
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, numbers)
        with contextlib.suppress(ConnectionError):  # it has ended: nothing will be answered
            self._control.sendmsg([json.dumps(request).encode()], [rights])
        os.close(theirs)
        return ForkedProcess(answers)

    def close(self) -> None:
        """End it; what it has forked lives on."""
        self._control.close()
        self._process.kill()  # it may be importing still
        self._process.wait()


class ForkedProcess:
    """A process that was asked for; `returncode` is -N where signal N ended it."""

    def __init__(self, answers: int) -> None:
        self.returncode: Optional[int] = None
        self.pid: Optional[int] = None
        self._started: Optional[int] = None
        self._answers = answers

    def wait_for_pid(self, timeout: Optional[float] = None) -> Optional[int]:
        """Return its number, None if it is not forked after so many seconds (None: wait).

        Raises:
            NotForkedError: it never will be.
        """
        if self.pid is None:
            self.pid = self._answer(timeout)
            self._started = processes.start_of(self.pid or 0)
        return self.pid

    def poll(self, timeout: Optional[float] = 0.0) -> Optional[int]:
        """Return the exit code, None while it lives after so many seconds.

        Raises:
            NotForkedError: it will never live.
        """
        if self.returncode is None and self.wait_for_pid(timeout) is not None:
            status = self._status(timeout)
            if status is not None:
                self.let_go()
                signalled = os.WIFSIGNALED(status)
                code = -os.WTERMSIG(status) if signalled else os.WEXITSTATUS(status)
                self.returncode = code
        return self.returncode

    def let_go(self) -> None:
        """Ask nothing more: it has ended, or never will be."""
        if self._answers >= 0:
            os.close(self._answers)
        self._answers = -1

    def _status(self, timeout: Optional[float]) -> Optional[int]:
        """Return what waitpid says of it, None while it lives."""
        try:
            return self._answer(timeout)
        except NotForkedError:  # killed is who waits for it, and not always it itself
            lives = self._started and processes.start_of(self.pid or 0) == self._started
            return None if lives else signal.SIGKILL

    def _answer(self, timeout: Optional[float]) -> Optional[int]:
        if not select.select([self._answers], [], [], timeout)[0]:
            return None
        answer = os.read(self._answers, NUMBER.size)
        if not answer:
            raise NotForkedError
        return int(NUMBER.unpack(answer)[0])

    def send_signal(self, number: int) -> None:
        """Send a signal, if it lives."""
        if self.poll() is None and self.pid is not None:
            os.kill(self.pid, number)
