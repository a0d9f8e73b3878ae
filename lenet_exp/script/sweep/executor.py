"""This machine as the executor of a script's jobs: one at a time, each a session of processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO, Callable, Optional, Sequence

from lenet_exp.config.schema.run import Settings
from lenet_exp.errors import DataError
from lenet_exp.record.store import journal
from lenet_exp.sweep.executors.executor import End, Reason, Worker
from lenet_exp.sweep.executors.local import Local
from lenet_exp.sweep.executors.local_worker import LocalWorker, Process
from lenet_exp.sweep.executors.ordered import OURS
from lenet_exp.sweep.executors.reasons import of_exit_code

JOB = ("-m", "lenet_exp.script.sweep.job")


class ScriptExecutor(Local):
    """This machine, in the folder where the scripts are started."""

    def __init__(self, cwd: Path) -> None:
        """Have one job at a time, never made again: nothing is known of what it has written."""
        super().__init__(n_jobs=1, retries=0, warm=False)
        self._cwd = cwd

    def open(self, jobs: Sequence[Settings], say: Callable[[str], None]) -> None:
        """Need nothing: a script imports what it wants."""

    def worker(self, log: Path, name: str, module: Sequence[str] = JOB) -> Worker:
        """Return a process of this machine."""
        return ScriptWorker([sys.executable, *JOB], log, self._cwd)


class ScriptWorker(LocalWorker):
    """A script's process, and those that it starts."""

    def __init__(self, command: Sequence[str], log: Path, cwd: Path) -> None:
        super().__init__(command, log)
        self._cwd, self._signalled = cwd, False

    def _spawn(self, log: BinaryIO) -> Process:
        return subprocess.Popen(  # noqa: S603 - no shell, and our own words
            self._command,
            stdin=subprocess.PIPE,  # its end tells the job of ours
            stdout=subprocess.DEVNULL,  # the job has the log in its place
            stderr=log,
            cwd=str(self._cwd),
            start_new_session=True,  # a Ctrl-C comes to the launching process alone
        )

    def poll(self) -> Optional[int]:
        """Return as any worker; of one that was to end no process is left then."""
        code = super().poll()
        if code is not None and self._signalled:
            self._signalled = False
            self._signal_all(
                signal.SIGKILL
            )  # a fork of it may have taken the first one for its own
        return code

    def signal(self, number: int) -> None:
        """Send a signal to all of its processes, if it lives."""
        if self.poll() is None:
            self._signalled = True
            self._signal_all(number)

    def _signal_all(self, number: int) -> None:
        if isinstance(self._process, subprocess.Popen):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def reason(self) -> Reason:
        """Return what the script raised, or said last, or what its exit code means."""
        found = super().reason()
        return found if found.end is not End.FAILED else Reason(End.FAILED, self._why(found.text))

    def _why(self, meant: str) -> str:
        with contextlib.suppress(OSError, DataError):
            tags = journal.merged(journal.read(self._log.parent), "tags")
            if "error" in tags:
                return str(tags["error"])
        lines = self.logged().splitlines()
        own = [line.strip() for line in lines if line.strip() and not line.startswith(OURS)]
        code = self.poll() or 0
        if code == 0:
            return "it opened no session of the chip"
        if code in (1, 2) and own and own[-1] != meant:
            return own[-1]
        return of_exit_code(code, "").text
