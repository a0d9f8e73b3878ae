"""What a sweep asks of the place where its jobs are made, and of the process of one of them."""

from __future__ import annotations

import abc
from pathlib import Path
from typing import Any, Callable, Mapping, Optional, Sequence

from lenet_exp.config.schema.run import Settings


class Worker(abc.ABC):
    """The process of one job, `python -m lenet_exp.sweep.job`, wherever that is.

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
    def reason(self) -> str:
        """Return why it failed; it has ended."""


class Place(abc.ABC):
    """Where jobs are made; `n_jobs`: how many at a time."""

    n_jobs: int

    def open(  # noqa: B027 - most need nothing
        self, jobs: Sequence[Settings], say: Callable[[str], None]
    ) -> None:
        """Make ready for these jobs; `say` tells the person what is other than usual."""

    def close(self) -> None:  # noqa: B027 - most hold nothing
        """Leave nothing but jobs that live."""

    @abc.abstractmethod
    def worker(self, log: Path) -> Worker:
        """Return the process of a job, to be started; what it says goes to the end of `log`."""

    @abc.abstractmethod
    def cores(self, at_a_time: int) -> int:
        """Return how many cores each job's session may use; 0: all that it sees."""
