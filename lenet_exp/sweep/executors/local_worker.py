"""The process of a job on this machine."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any, BinaryIO, Dict, Mapping, Optional, Sequence, Union

from lenet_exp.sweep.executors.executor import End, Reason, Worker
from lenet_exp.sweep.executors.reasons import kills_for_memory, of_exit_code, said
from lenet_exp.sweep.executors.warm import Forks, WarmProcess

Process = Union["subprocess.Popen[bytes]", WarmProcess]


class LocalWorker(Worker):
    """A process of this machine."""

    def __init__(
        self, command: Sequence[str], log: Path, environment: Optional[Dict[str, str]] = None
    ) -> None:
        """Have nothing started yet; `environment`: another one than ours."""
        self._command, self._log, self._environment = list(command), log, environment
        self._log_begins = log.stat().st_size if log.exists() else 0
        self._process: Optional[Process] = None
        self._kills = 0  # of the kernel's, for lack of memory, before
        self._unsent = b""  # of the order

    def start(self, order: Mapping[str, Any]) -> None:
        """Start it, and hand over as much of the order as it takes; `poll` hands over the rest."""
        self._kills = kills_for_memory()
        with self._log.open("ab") as log:
            self._process = self._spawn(log)
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        # Who waits in a queue, or is still importing, reads later; a pipe holds 64 KiB until then.
        os.set_blocking(self._process.stdin.fileno(), False)
        self._unsent = json.dumps(order).encode() + b"\n"
        self._hand_over(self._process.stdin.fileno())

    def _hand_over(self, stdin: int) -> None:
        try:
            while self._unsent:
                self._unsent = self._unsent[os.write(stdin, self._unsent) :]
        except BlockingIOError:
            pass
        except BrokenPipeError:  # it has ended; its log says why
            self._unsent = b""

    def _spawn(self, log: BinaryIO) -> Process:
        return subprocess.Popen(  # noqa: S603 - no shell, and our own words
            self._command,
            stdin=subprocess.PIPE,  # its end tells the job of ours
            stdout=subprocess.DEVNULL,  # the log has it
            stderr=log,
            env=self._environment,
            start_new_session=True,  # a Ctrl-C comes to the launching process alone
        )

    def poll(self) -> Optional[int]:
        """Return the exit code, -N for signal N; None while it lives, or isn't started."""
        if self._process is None:
            return None
        code, stdin = self._process.poll(), self._process.stdin
        if stdin is not None and not stdin.closed:
            if code is None:
                self._hand_over(stdin.fileno())
            else:
                stdin.close()
        return code

    def signal(self, number: int) -> None:
        """Send a signal, if it lives."""
        if self._process is not None and self.poll() is None:
            self._process.send_signal(number)

    def logged(self) -> str:
        """Return what it said."""
        return said(self._log, self._log_begins)

    def reason(self) -> Reason:
        """Return the error that it said, or what its exit code means."""
        found = of_exit_code(self.poll() or 0, self.logged())
        if found.text == "killed by SIGKILL" and kills_for_memory() > self._kills:
            return Reason(End.MEMORY, f"{found.text} for lack of memory")
        return found


class WarmWorker(LocalWorker):
    """A process that is forked after the imports."""

    def __init__(self, forks: Forks, command: Sequence[str], log: Path) -> None:
        super().__init__(command, log)
        self._forks = forks

    def _spawn(self, log: BinaryIO) -> Process:
        return self._forks.job(self._command, log) or super()._spawn(log)
