"""This machine as the executor of jobs: each is a process, several are forked after the imports."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Callable, Optional, Sequence

from lenet_exp.config.schema.run import Settings
from lenet_exp.record.run import conditions
from lenet_exp.sweep.executors.executor import JOB, Executor, Worker
from lenet_exp.sweep.executors.local_worker import LocalWorker, WarmWorker
from lenet_exp.sweep.executors.warm import Forks


class Local(Executor):
    """This machine."""

    name, is_here = "local", True

    def __init__(self, n_jobs: int, retries: int, warm: bool) -> None:
        """Start jobs warm, if there are several: forked after the imports."""
        super().__init__(n_jobs, retries)
        self._warm = warm
        self._forks: Optional[Forks] = None

    def open(self, jobs: Sequence[Settings], say: Callable[[str], None]) -> None:
        """Begin with what several jobs do alike, where all want the same of TensorFlow."""
        kinds = {job.deterministic for job in jobs}
        if self._forks is None and self._warm and len(jobs) > 1 and len(kinds) == 1:
            self._forks = Forks({"deterministic": kinds.pop(), "data": jobs[0].data.path}, say)

    def close(self) -> None:
        """Have nothing of it left but the jobs."""
        if self._forks is not None:
            self._forks.close()
            self._forks = None

    def worker(self, log: Path, name: str, module: Sequence[str] = JOB) -> Worker:
        """Return a process of this machine."""
        command = [sys.executable, *module]
        if self._forks is not None and module == JOB:
            return WarmWorker(self._forks, command, log)
        return LocalWorker(command, log)

    def cores(self, at_a_time: int) -> int:
        """Share the cores out."""
        return 0 if at_a_time == 1 else max(1, conditions.cores() // at_a_time)

    def is_alone(self, at_a_time: int) -> bool:
        """Return whether there is one job at a time."""
        return at_a_time == 1
