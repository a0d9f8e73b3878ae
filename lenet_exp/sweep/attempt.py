"""One try at a job: its process, its journal and what is said of both."""

from __future__ import annotations

import signal
import sys
import time
from dataclasses import asdict
from typing import Dict, Iterable, Optional

from lenet_exp.sweep.jobs import SweepJob
from lenet_exp.sweep.places.place import Place
from lenet_exp.sweep.watch import Watch

_GRACE = 20.0  # seconds for a record to be ended; a dead tracking server costs some
PAUSE = 0.05  # seconds between two looks


class Attempt:
    """A job that is being made."""

    def __init__(self, job: SweepJob, place: Place, tags: Dict[str, str], cores: int) -> None:
        """Start its process.

        Args:
            job: what to make.
            place: where.
            tags: of its run in MLflow.
            cores: that its session may use; 0: all.
        """
        self.job = job
        self.log = job.folder / "run.log"
        self.watch = Watch(job.folder)
        self.begun = time.monotonic()
        self.validated = self.watch.metrics.get("validation_accuracy")  # what was said of it last
        files = job.folder / ".hydra"
        files.mkdir(parents=True, exist_ok=True)
        for name, text in job.composed.files.items():
            (files / name).write_text(text)
        self.worker = place.worker(self.log)
        self.worker.start(
            {
                "folder": str(job.folder),
                "settings": asdict(job.settings),
                "tags": tags,
                "cores": cores,
                "argv": sys.argv,
            }
        )

    def look(self) -> Optional[int]:
        """Read what its journal gained; return the exit code as the worker's `poll`."""
        code = self.worker.poll()  # before the journal, which is then whole
        self.watch.look()
        return code


def end_all(attempts: Iterable[Attempt]) -> None:
    """End what still lives: each may close its record, and is killed if that takes too long."""
    living = [attempt.worker for attempt in attempts if attempt.worker.poll() is None]
    for worker in living:
        worker.signal(signal.SIGTERM)
    until = time.monotonic() + _GRACE
    try:
        while time.monotonic() < until and any(worker.poll() is None for worker in living):
            time.sleep(PAUSE)
    finally:  # a second Ctrl-C is no wish to wait
        for worker in living:
            worker.signal(signal.SIGKILL)
