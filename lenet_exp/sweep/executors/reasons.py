"""What an exit code and the last words of a job mean."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from pathlib import Path

from lenet_exp.sweep.executors.executor import End, Reason
from lenet_exp.sweep.executors.ordered import OURS

_ENGINES = ("srun: ", "slurmstepd")
# Of the words of a kernel, of Slurm with cgroups and without.
_MEMORY = re.compile(r"oom.?kill|out of memory|exceeded (\w+ )?memory limit", re.IGNORECASE)
# Who sends these is somebody else than the job: a person, an engine, the kernel.
_FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def said(log: Path, begins: int) -> str:
    """Return what a log has from `begins` on."""
    try:
        with log.open("rb") as stream:
            stream.seek(begins)
            return stream.read().decode(errors="replace")
    except OSError:
        return ""


def of_exit_code(code: int, logged: str) -> Reason:
    """Return why a job has no result: -N and 128 + N are signal N, where there is such a one."""
    number = -code if code < 0 else code - 128
    if 0 < number < signal.NSIG:
        name = f"signal {number}"
        with contextlib.suppress(ValueError):
            name = signal.Signals(number).name
        text = f"killed by {name}" if number == signal.SIGKILL or code < 0 else f"ended by {name}"
        if number == signal.SIGKILL and _MEMORY.search(logged):
            return Reason(End.MEMORY, f"{text} for lack of memory")
        return Reason(End.LOST if number in _FROM_OUTSIDE else End.FAILED, text)
    if code == 0:
        return Reason(End.FAILED, "it ended without a result")
    if code == os.EX_TEMPFAIL:
        return Reason(End.LOST, _error(logged))
    error = _error(logged) if code in (1, 2) else ""  # else it is not an error's
    return Reason(End.FAILED, error or f"exit code {code}")


def _error(logged: str) -> str:
    """Return the error that a log ends with: ours, else the last line of a traceback.

    Else an engine's: where the job said something, that only repeats its exit code.
    """
    lines = [line.strip() for line in logged.splitlines() if line.strip()]
    traced = [line for line in lines if not line.startswith(_ENGINES)]
    ours = [line[len(OURS) :] for line in logged.splitlines() if line.startswith(OURS)]
    return ["", *lines, *traced, *ours][-1]


def kills_for_memory() -> int:
    """Return how many processes the kernel has killed for lack of memory; 0 where it says none."""
    with contextlib.suppress(OSError):
        found = re.search(r"^oom_kill (\d+)", Path("/proc/vmstat").read_text(), re.MULTILINE)
        return int(found.group(1)) if found else 0
    return 0
