"""Jobs of this machine that are forked after their imports, where that is possible."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any, BinaryIO, Callable, Mapping, Optional, Sequence

from lenet_exp.sweep.executors.fork_server import ENVIRONMENT
from lenet_exp.sweep.executors.forked import ForkServer, NotForkedError

_NOT_WARM = (
    "each job starts a fresh interpreter: none could be forked, as where what is imported has"
    " threads of its own (hydra.launcher.warm=false never tries)"
)


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
            self._forked.let_go()
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
            self._forked.let_go()
            self._cancelled = -number
        else:
            (self._fresh or self._forked).send_signal(number)


class Forks:
    """The warm jobs of this machine; where they can't be forked, each starts afresh."""

    def __init__(self, alike: Mapping[str, Any], say: Callable[[str], None]) -> None:
        """Begin with what all jobs need; `alike`: what fork_server.load is told of them."""
        self._server: Optional[ForkServer] = ForkServer(
            "-m", "lenet_exp.sweep.executors.fork_server", told=alike
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
