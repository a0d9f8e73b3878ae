"""Slurm's programs as they are called from here."""

from __future__ import annotations

import contextlib
import os
import subprocess
from typing import Dict, Iterator, List, Sequence, Tuple

from lenet_exp.errors import EngineError

_ANSWER = 60.0  # seconds for Slurm's controller to answer


@contextlib.contextmanager
def on_path(program: str) -> Iterator[None]:
    """Have the start of a program that is not on this machine's path end in an EngineError."""
    try:
        yield
    except FileNotFoundError as error:
        if error.filename != program:
            raise
        problem = "is not on the path of this machine"
        raise EngineError(program, problem, "hydra/launcher=local") from error


def environment() -> Dict[str, str]:
    """Return the environment of an srun: inside a job it would else stay in that job's share."""
    hidden = ("SLURM_", "SLURMD_", "SRUN_") if "SLURM_JOB_ID" in os.environ else ()
    return {k: v for k, v in os.environ.items() if k == "SLURM_CONF" or not k.startswith(hidden)}


def ask(*words: str) -> List[str]:
    """Return the lines that a program of Slurm's prints.

    Raises:
        EngineError: it is not there, or fails: that says nothing of what it was asked.
    """
    try:
        done = run(words)
    except subprocess.TimeoutExpired as error:
        raise EngineError(words[0], "gets no answer from Slurm", "sinfo, and again") from error
    if done.returncode != 0:
        raise EngineError(words[0], done.stderr.strip() or "fails", "sinfo, and again")
    return list(filter(None, done.stdout.splitlines()))


def queued() -> List[Tuple[str, str]]:
    """Return number and name of each of this user's jobs that has not ended; raises as `ask`."""
    lines = ask("squeue", "-h", "--me", "-o", "%i|%j")
    return [(number, name) for number, _, name in (line.partition("|") for line in lines)]


def run(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a program of Slurm's to its end.

    Raises:
        EngineError: it is not there.
        subprocess.TimeoutExpired: Slurm does not answer.
    """
    with on_path(words[0]):
        return subprocess.run(  # noqa: S603 - no shell, and our own words
            list(words),
            env=environment(),
            capture_output=True,
            text=True,
            timeout=_ANSWER,
            check=False,
        )
