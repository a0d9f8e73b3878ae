"""What a sweep asks of the executor of its jobs, and of the process of one of them."""

from __future__ import annotations

import abc
from enum import Enum
from pathlib import Path
from typing import Any, Callable, Mapping, NamedTuple, Optional, Sequence

from lenet_exp.config.schema.run import Settings
from lenet_exp.errors import EngineError

JOB = ("-m", "lenet_exp.sweep.job")
PROBE = ("-m", "lenet_exp.sweep.probe")


class End(Enum):
    """How a job ended that has no result."""

    FAILED = "failed"  # by itself
    LOST = "lost"  # something ended it that a further try need not meet
    MEMORY = "out of memory"


class Reason(NamedTuple):
    """Why a job has no result, in words."""

    end: End
    text: str


class Worker(abc.ABC):
    """The process of one job, wherever that is.

    It ends when its standard input is closed, and that is when the launching process ends.
    """

    @abc.abstractmethod
    def start(self, order: Mapping[str, Any]) -> None:
        """Start it, and write the order to its standard input, as a line of JSON."""

    @abc.abstractmethod
    def poll(self) -> Optional[int]:
        """Return the exit code, -N for signal N; None while it lives."""

    @abc.abstractmethod
    def signal(self, number: int) -> None:
        """Send a signal, if it lives."""

    @abc.abstractmethod
    def reason(self) -> Reason:
        """Return why it has no result; it has ended."""


class Executor(abc.ABC):
    """Makes jobs: `n_jobs` at a time, each begun again at most `retries` times."""

    name: str
    is_here = False  # on this machine

    def __init__(self, n_jobs: int, retries: int) -> None:
        self.n_jobs, self.retries = n_jobs, retries

    def open(  # noqa: B027 - most need nothing
        self, jobs: Sequence[Settings], say: Callable[[str], None]
    ) -> None:
        """Make ready for these jobs; `say` tells the person what is other than usual."""

    def close(self) -> None:  # noqa: B027 - most hold nothing
        """Leave nothing but jobs that live."""

    @abc.abstractmethod
    def worker(self, log: Path, name: str, module: Sequence[str] = JOB) -> Worker:
        """Return a process, to be started.

        Args:
            log: what it says on its standard error goes to the end of this file.
            name: what a person sees it by among those of an engine.
            module: what its Python runs.
        """

    def cores(self, at_a_time: int) -> int:
        """Return how many cores each job's session may use; 0: all that it sees."""
        return 0

    def is_alone(self, at_a_time: int) -> bool:
        """Return whether a job has a machine to itself, so that its times can be compared."""
        return False

    def signal(self, workers: Sequence[Worker], number: int) -> None:
        """Send a signal to those of its workers that live."""
        for worker in workers:
            worker.signal(number)

    def end_leftovers(self, prefix: str) -> int:
        """End the jobs whose names begin so, left by an earlier launching process; count them."""
        return 0

    def submitted(self, name: str) -> Optional[str]:
        """Return how a launching command is found that has been submitted and has not ended."""
        return None

    def submit(self, arguments: Sequence[str], log: Path, name: str) -> str:
        """Have a node's Python run the launching command; return how it is found.

        Raises:
            EngineError: it refuses, or is not here.
        """
        problem = "ends with its launching command, and can't be left"
        raise EngineError(f"hydra/launcher={self.name}", problem, "detach=false")
