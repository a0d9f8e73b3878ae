"""Processes that a fork server starts, used as subprocess uses fresh interpreters."""

from __future__ import annotations

import array
import contextlib
import json
import os
import select
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, BinaryIO, Callable, Dict, Optional, Sequence

from lenet_exp.sweep.places.fork_server import ENVIRONMENT, NUMBER

_NOT_WARM = (
    "each job starts a fresh interpreter: what is imported here has threads, or a chip's adapter"
)


class NotForkedError(Exception):
    """The fork server has ended before it could fork: what it imports holds threads."""


class ForkServer:
    """A process that has imported what its children need; it ends when it is closed, or we do."""

    def __init__(self, *program: str) -> None:
        """Start what `program` tells Python, and the number of its socket; it takes seconds."""
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - no shell, and our own words
                [sys.executable, *program, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env={**os.environ, **ENVIRONMENT},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )

    def fork(self, request: Dict[str, Any], streams: Sequence[int]) -> ForkedProcess:
        """Ask for a process with these three standard streams, which stay open here."""
        answers, theirs = os.pipe()
        numbers = array.array("i", [*streams, theirs])
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, numbers)
        with contextlib.suppress(BrokenPipeError):  # it has ended: nothing will be answered
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
        self._answers = answers

    def wait_for_pid(self, timeout: Optional[float] = None) -> Optional[int]:
        """Return its number, None if it is not forked after so many seconds (None: wait).

        Raises:
            NotForkedError: it never will be.
        """
        if self.pid is None:
            self.pid = self._answer(timeout)
        return self.pid

    def poll(self, timeout: Optional[float] = 0.0) -> Optional[int]:
        """Return the exit code, None while it lives after so many seconds.

        Raises:
            NotForkedError: it will never live.
        """
        if self.returncode is None and self.wait_for_pid(timeout) is not None:
            status = self._answer(timeout)
            if status is not None:
                os.close(self._answers)
                signalled = os.WIFSIGNALED(status)
                code = -os.WTERMSIG(status) if signalled else os.WEXITSTATUS(status)
                self.returncode = code
        return self.returncode

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


class WarmProcess:
    """A Python process that is forked where that is possible, else started afresh."""

    def __init__(
        self, server: ForkServer, command: Sequence[str], log: BinaryIO, refused: Callable[[], None]
    ) -> None:
        """Ask for it.

        Args:
            server: what forks it.
            command: what starts it afresh.
            log: what it says on its standard error.
            refused: is called when it has to be started afresh.
        """
        request = {
            "folder": str(Path.cwd()),
            "environment": {name: os.environ.get(name) for name in ENVIRONMENT},
        }
        self._command, self._refused = command, refused
        self._given, written = os.pipe()
        self._said = os.dup(log.fileno())
        self.stdin: BinaryIO = os.fdopen(written, "wb")
        with Path(os.devnull).open("wb") as nowhere:
            streams = [self._given, nowhere.fileno(), self._said]
            self._forked = server.fork(request, streams)
        self._fresh: Optional[subprocess.Popen[bytes]] = None
        self._unborn = True
        self._cancelled: Optional[int] = None

    def poll(self) -> Optional[int]:
        """Return the exit code, -N for signal N; None while it lives."""
        if self._cancelled is not None:
            return self._cancelled
        if self._fresh is not None:
            return self._fresh.poll()
        try:
            code = self._forked.poll()
        except NotForkedError:
            self._refused()
            self._start_afresh()
            code = None
        if self._unborn and (self._fresh or self._forked.pid is not None):
            self._let_go()
        return code

    def _start_afresh(self) -> None:
        self._fresh = subprocess.Popen(  # noqa: S603 - no shell, and our own words
            self._command,
            stdin=self._given,
            stdout=subprocess.DEVNULL,
            stderr=self._said,
            start_new_session=True,
        )

    def _let_go(self) -> None:
        """Leave to the process what is its own: else its end would not be seen."""
        self._unborn = False
        os.close(self._given)
        os.close(self._said)

    def send_signal(self, number: int) -> None:
        """Send a signal, if it lives; what is not begun yet never will be."""
        if self.poll() is not None:
            return
        if self._unborn:
            self.stdin.close()  # all that it would find
            self._let_go()
            self._cancelled = -number
        else:
            (self._fresh or self._forked).send_signal(number)


class Forks:
    """The warm jobs of this machine; where they can't be forked, each starts afresh."""

    def __init__(self, deterministic: bool, say: Callable[[str], None]) -> None:
        """Begin with the imports that all jobs need."""
        kind = "deterministic" if deterministic else "free"
        self._server: Optional[ForkServer] = ForkServer(
            "-m", "lenet_exp.sweep.places.fork_server", kind
        )
        self._say = say

    def job(self, command: Sequence[str], log: BinaryIO) -> Optional[WarmProcess]:
        """Return a job's process, None if nothing can be forked.

        `command` starts it afresh, should that turn out later; `log` gets what it says.
        """
        if self._server is None:
            return None
        return WarmProcess(self._server, command, log, self._refused)

    def _refused(self) -> None:
        if self._server is not None:
            self._say(_NOT_WARM)
            self.close()

    def close(self) -> None:
        """Leave nothing but the jobs."""
        if self._server is not None:
            self._server.close()
            self._server = None
