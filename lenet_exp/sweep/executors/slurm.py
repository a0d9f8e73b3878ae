"""Jobs on the nodes of a Slurm: each is an `srun` of its own, which is all that runs here."""

from __future__ import annotations

import contextlib
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, List, Mapping, Optional, Sequence

from lenet_exp.errors import EngineError
from lenet_exp.sweep.executors.executor import JOB, Executor, Worker
from lenet_exp.sweep.executors.slurm_programs import ask, queued, run
from lenet_exp.sweep.executors.slurm_worker import SlurmWorker, signal_all


class Slurm(Executor):
    """The nodes that `srun` is given with these options; see conf/hydra/launcher/slurm.yaml."""

    name = "slurm"

    def __init__(self, n_jobs: int, retries: int, **given: Any) -> None:
        super().__init__(n_jobs, retries)
        self._setup: Sequence[str] = list(given.pop("setup"))
        self._python = given.pop("python") or sys.executable
        self._of_launching = _options(given.pop("launching") or {})
        more = given.pop("options") or {}
        named = {**given, **more}
        self._cpus = int(named["cpus_per_task"] or 0)
        self._is_exclusive = bool(named.get("exclusive"))
        self._options = _options(named)

    def worker(self, log: Path, name: str, module: Sequence[str] = JOB) -> Worker:
        """Return an srun of the module on a node."""
        command = ["srun", "--quiet", "--ntasks=1", f"--job-name={name}", *self._options]
        return SlurmWorker([*command, *self._program(module)], log, name)

    def _program(self, arguments: Sequence[str]) -> List[str]:
        """Return a node's Python with these arguments, after the setup lines."""
        program = [self._python, *arguments]
        if not self._setup:
            return program
        # What it reads is none of the order.
        lines = "\n".join(["{", *self._setup, "} </dev/null", 'exec "$0" "$@"'])
        return ["/bin/sh", "-c", lines, *program]

    def cores(self, at_a_time: int) -> int:
        """Return what Slurm was asked for."""
        return self._cpus

    def is_alone(self, at_a_time: int) -> bool:
        """Return whether a job was given a node of its own."""
        return self._is_exclusive

    def end_leftovers(self, prefix: str) -> int:
        """Cancel the jobs whose names begin so, and count them."""
        ids = [number for number, name in queued() if name.startswith(prefix)]
        if ids:
            with contextlib.suppress(EngineError):  # those that have ended meanwhile
                ask("scancel", *ids)
        return len(ids)

    def signal(self, workers: Sequence[Worker], number: int) -> None:
        """Send a signal to all that live, with one call of Slurm's programs for all."""
        signal_all([one for one in workers if isinstance(one, SlurmWorker)], number)

    def submitted(self, name: str) -> Optional[str]:
        """Return the batch job that has not ended."""
        numbers = [number for number, known in queued() if known == name]
        return f"Slurm job {numbers[0]}" if numbers else None

    def submit(self, arguments: Sequence[str], log: Path, name: str) -> str:
        """Submit the launching command as a batch job that Slurm may queue again."""
        program = map(shlex.quote, self._program(arguments))
        line = f"exec {' '.join(program)}"  # the signal comes to it alone
        words = ["sbatch", "--parsable", "--requeue", "--signal=B:TERM@60", "--ntasks=1"]
        words += [f"--job-name={name}", f"--output={log}", "--open-mode=append"]
        words += [*self._of_launching, f"--wrap={line}"]
        try:
            done = run(words)
        except subprocess.TimeoutExpired as error:
            raise EngineError("sbatch", "gets no answer from Slurm", "sinfo, and again") from error
        if done.returncode != 0:
            raise EngineError("sbatch", done.stderr.strip(), "hydra.launcher.launching={KEY:VALUE}")
        return f"Slurm job {done.stdout.strip().partition(';')[0]}"


def _options(named: Mapping[str, Any]) -> List[str]:
    """Return the words of options: one that is true has no value, one that is null is none."""
    given = {key.replace("_", "-"): value for key, value in named.items() if value is not None}
    kept = {key: value for key, value in given.items() if value is not False}
    return [f"--{key}" if value is True else f"--{key}={value}" for key, value in kept.items()]
