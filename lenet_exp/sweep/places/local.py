"""Jobs on this machine: each a process, forked after the imports where there are several."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, BinaryIO, Callable, List, Mapping, Optional, Sequence, Union

from lenet_exp.config.schema.run import Settings
from lenet_exp.record.run import conditions
from lenet_exp.sweep.forked import ForkServer, WarmProcess
from lenet_exp.sweep.places.place import Place, Worker

JOB = ("-m", "lenet_exp.sweep.job")
SERVER = ("-m", "lenet_exp.sweep.fork_server")
_NOT_WARM = (
    "each job starts a fresh interpreter: what is imported here has threads, or a chip's adapter"
)
_OURS = "lenet-exp: "  # begins each error that is said in words

Process = Union["subprocess.Popen[bytes]", WarmProcess]


class LocalWorker(Worker):
    """A process of this machine."""

    def __init__(self, log: Path, spawn: Callable[[List[str], BinaryIO], Process]) -> None:
        """Have nothing started yet; `log` gets what it says."""
        self._log, self._spawn = log, spawn
        self._log_begins = log.stat().st_size if log.exists() else 0
        self._process: Optional[Process] = None

    def start(self, order: Mapping[str, Any]) -> None:
        """Start it, and hand over the order."""
        with self._log.open("ab") as log:
            self._process = self._spawn(self._command(), log)
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        with contextlib.suppress(BrokenPipeError):  # it has ended; its log says why
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()

    def _command(self) -> List[str]:
        return [sys.executable, *JOB]

    def poll(self) -> Optional[int]:
        """Return the exit code, -N for signal N; None while it lives, or isn't started."""
        if self._process is None:
            return None
        code = self._process.poll()
        if code is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):  # what it was too dead to read
                self._process.stdin.close()
        return code

    def signal(self, number: int) -> None:
        """Send a signal, if it lives."""
        if self._process is not None and self.poll() is None:
            self._process.send_signal(number)

    def reason(self) -> str:
        """Return the error that it said, or what its exit code means."""
        return of_exit_code(self.poll() or 0, self._log, self._log_begins)


def of_exit_code(code: int, log: Path, begins: int) -> str:
    """Return why a job failed; -N is signal N, and what it said is in `log` from `begins` on."""
    if code < 0:
        memory = " (by hand, or for lack of memory)" if -code == signal.SIGKILL else ""
        return f"killed by {signal.Signals(-code).name}{memory}"
    if code == 0:
        return "it ended without a result"
    error = _logged_error(log, begins) if code in (1, 2) else ""  # else it is not an error's
    return error or f"exit code {code}"


def _logged_error(log: Path, begins: int) -> str:
    """Return the error that a log ends with: ours, or the last line of a traceback."""
    try:
        logged = log.read_bytes()[begins:].decode(errors="replace")
    except OSError:
        return ""
    lines = [line.strip() for line in logged.splitlines() if line.strip()]
    ours = [line[len(_OURS) :] for line in logged.splitlines() if line.startswith(_OURS)]
    return ["", *lines, *ours][-1]


class Local(Place):
    """This machine."""

    def __init__(self, n_jobs: int, warm: bool) -> None:
        """Start jobs warm, if there are several: forked after the imports."""
        self.n_jobs, self._warm = n_jobs, warm
        self._server: Optional[ForkServer] = None
        self._say: Callable[[str], None] = lambda text: None

    def open(self, jobs: Sequence[Settings], say: Callable[[str], None]) -> None:
        """Begin with the imports, where all jobs want the same of them."""
        self._say = say
        kinds = {job.deterministic for job in jobs}
        if self._warm and len(jobs) > 1 and len(kinds) == 1:
            self._server = ForkServer(*SERVER, "deterministic" if kinds.pop() else "free")

    def close(self) -> None:
        """Have nothing of it left but the jobs."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def worker(self, log: Path) -> Worker:
        """Return a process of this machine."""
        return LocalWorker(log, self._spawn)

    def _spawn(self, command: List[str], log: BinaryIO) -> Process:
        if self._server is not None:
            return WarmProcess(self._server, command, log, self._refused)
        return subprocess.Popen(  # noqa: S603 - no shell, and our own words
            command,
            stdin=subprocess.PIPE,  # its end tells the job of ours
            stdout=subprocess.DEVNULL,  # the log has it
            stderr=log,
            start_new_session=True,  # a Ctrl-C comes to the launching process alone
        )

    def _refused(self) -> None:
        if self._server is not None:
            self._say(_NOT_WARM)
            self.close()

    def cores(self, at_a_time: int) -> int:
        """Share the cores out."""
        return 0 if at_a_time == 1 else max(1, conditions.cores() // at_a_time)
