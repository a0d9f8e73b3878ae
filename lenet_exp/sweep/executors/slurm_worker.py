"""An `srun`, what Slurm knows of its job, and how that is ended."""

from __future__ import annotations

import contextlib
import re
import signal
import time
from pathlib import Path
from typing import Any, List, Mapping, Sequence

from lenet_exp.errors import EngineError
from lenet_exp.sweep.executors.executor import End, Reason
from lenet_exp.sweep.executors.local_worker import LocalWorker
from lenet_exp.sweep.executors.reasons import of_exit_code
from lenet_exp.sweep.executors.slurm_programs import ask, environment, on_path, queued

_LOST = ("NODE_FAIL", "PREEMPTED", "TIMEOUT", "DEADLINE", "REVOKED", "CANCELLED", "BOOT_FAIL")
_PATIENCE = 3.0  # seconds for Slurm to know how a job ended
_LONG_PATIENCE = 30.0  # where nothing else tells: of a time limit srun may return 0
_DOWN, _PAUSE = 120.0, 2.0  # seconds for a controller to be started again, and between questions
# srun's, where Slurm's controller is not there or is being started again.
_NO_ANSWER = re.compile(
    "contact slurm controller|Socket timed out|Zero Bytes were transmitted|Connection refused"
    "|Transport endpoint is not connected|in standby mode",
    re.IGNORECASE,
)
_REVOKED = "already completing or completed"  # srun's, of a request that somebody cancelled


class SlurmWorker(LocalWorker):
    """An srun of this machine, and the job that it started on a node."""

    def __init__(self, command: Sequence[str], log: Path, name: str) -> None:
        super().__init__(command, log, environment())
        self.name = name

    def start(self, order: Mapping[str, Any]) -> None:
        """Submit it; srun forwards the order when the job begins."""
        with on_path("srun"):
            super().start(order)

    def signal(self, number: int) -> None:
        """Send a signal to the job; srun itself would kill it. Who waits in the queue leaves it."""
        signal_all([self], number)

    def kill(self) -> None:
        """Kill srun itself."""
        super().signal(signal.SIGKILL)

    def reason(self) -> Reason:
        """Return what Slurm knows, or srun said, of its end."""
        found = of_exit_code(self.poll() or 0, self.logged())
        state, why, node, memory = self._ended()
        if state == "OUT_OF_MEMORY" or found.end is End.MEMORY:
            return Reason(End.MEMORY, f"out of memory on {node}, limit {memory}")
        if state.startswith(_LOST):
            return Reason(End.LOST, f"{state} on {node}" if node else f"{state} ({why})")
        if not self.poll() and state != "COMPLETED":  # srun's code alone, and none of the job
            return Reason(End.LOST, f"{found.text} ({state or 'Slurm knows no more of it'})")
        if found.end is End.FAILED and _REVOKED in found.text:
            return Reason(End.LOST, "cancelled while it waited for a node")
        if found.end is End.FAILED and self._met_no_controller():
            _wait_for_an_answer()  # else the next try fails as this one
            return Reason(End.LOST, f"Slurm did not answer ({found.text})")
        where = f" on {node}" if node and found.end is End.LOST else ""
        return found._replace(text=f"{found.text}{where}")

    def _ended(self) -> List[str]:
        """Return state, its reason, node and memory of the job; of one that is forgotten, blanks.

        That needs no accounting: Slurm itself remembers a job for MinJobAge seconds.
        """
        patience = _PATIENCE if self.poll() else _LONG_PATIENCE
        until, known = time.monotonic() + patience, [""] * 4
        while time.monotonic() < until:
            with contextlib.suppress(EngineError):
                asked = ("-h", "-t", "all", f"--name={self.name}", "-o", "%T|%r|%N|%m")
                known = (ask("squeue", *asked) or ["|||"])[-1].split("|")
            if known[0] not in ("RUNNING", "COMPLETING", "SIGNALING"):
                break
            time.sleep(0.2)
        return known

    def _met_no_controller(self) -> bool:
        """Return whether srun alone said something, and that it lacks Slurm's controller."""
        lines = list(filter(None, self.logged().splitlines()))
        return all(line.startswith("srun: ") for line in lines) and any(
            _NO_ANSWER.search(line) for line in lines
        )


def signal_all(workers: Sequence[SlurmWorker], number: int) -> None:
    """Send a signal to the jobs that live; who waits in the queue leaves it."""
    living = [one for one in workers if one.poll() is None]
    names = {one.name for one in living}
    try:
        ids = [job for job, name in queued() if name in names] if names else []
        if ids:
            # First: a signal to who waits is tried for a minute.
            for words in (("--state=PENDING",), ("--state=RUNNING", f"--signal={number}")):
                with contextlib.suppress(EngineError):  # of those that have ended
                    ask("scancel", *words, *ids)
    except EngineError:  # nobody can be told; they end when their standard input does
        pass
    finally:
        if number == signal.SIGKILL:
            for one in living:
                one.kill()


def _wait_for_an_answer() -> None:
    until = time.monotonic() + _DOWN
    while time.monotonic() < until:
        with contextlib.suppress(EngineError):
            queued()
            return
        time.sleep(_PAUSE)
