"""One try at a job: its process, its journal and what is said of both."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import signal
import sys
import time
from pathlib import Path
from typing import Callable, Dict, Iterable, Optional, Sequence

from lenet_exp.record.run import run_files
from lenet_exp.record.store import journal, lease
from lenet_exp.record.store.journal import Journal
from lenet_exp.sweep.executors.executor import Executor, Worker
from lenet_exp.sweep.jobs import Job
from lenet_exp.sweep.watch import Watch

_GRACE = 20.0  # seconds for a record to be ended; a dead tracking server costs some
_DYING = 5.0  # seconds for a process that was killed to be gone
PAUSE = 0.02  # seconds between two looks at a process
_READING = 0.25  # seconds between two looks at its journal, which may be on another machine
LOG = "run.log"
_Check = Callable[[], None]  # raises where the sweep is no longer ours


def name_of(sweep: Path) -> str:
    """Return how the names of a sweep's jobs begin, where an engine shows them.

    Of no other sweep's, also where another folder has one of that name.
    """
    return f"lenet-exp:{sweep.name}:{hashlib.sha256(os.fsencode(str(sweep))).hexdigest()[:6]}:"


class Attempt:
    """A job that is being made."""

    def __init__(
        self, job: Job, executor: Executor, tags: Dict[str, str], cores: int, check: _Check
    ) -> None:
        """Start its process.

        Args:
            job: what to make.
            executor: what makes it.
            tags: of its run in MLflow.
            cores: that its session may use; 0: all.
            check: raises where another process has the sweep.

        Raises:
            StoreError: a process that is none of the sweep's is at work on it.
            LeaseLostError: as `check`.
        """
        self.job, self._check = job, check
        self.watch = Watch(job.folder)
        self.begun = self._read = time.monotonic()
        self.validated = self.watch.metrics.get("validation_accuracy")  # what was said of it last
        check()
        job.folder.mkdir(parents=True, exist_ok=True)
        for name, text in job.files.items():
            run_files.write_bytes(job.folder / ".hydra" / name, text.encode(), check)
        self._lease = lease.take(job.folder, executor.name, check)
        self._executor, self._process, self.number = executor.name, "", self._lease.attempt
        name = f"{name_of(job.folder.parent)}{job.identity}:{self._lease.attempt}"
        self.worker = executor.worker(job.folder / LOG, name)
        self.worker.start(
            {
                "folder": str(job.folder),
                **job.order,
                "tags": {**tags, "attempts": str(self._lease.attempt)},
                "cores": cores,
                "attempt": self._lease.attempt,
                "lease": self._lease.token,
                "argv": sys.argv,
            }
        )

    def look(self) -> Optional[int]:
        """Read what its journal gained, if it is time; return the exit code as `poll` does."""
        code = self.worker.poll()  # before the journal, which is then whole
        if code is None and time.monotonic() - self._read < _READING:
            return None
        self._read = time.monotonic()
        self.watch.look()
        if self.watch.process != self._process:
            self._process = self.watch.process
            self._lease.describe(self._check, place=self._executor, **json.loads(self._process))
        return code

    def end_record(self, lost: str = "") -> None:
        """Have its record say that it was ended, and `lost`: how, where it has no end of its own.

        It has ended, or is given up: if it lives all the same, what it writes reaches nobody.

        Raises:
            OSError, DataError: the record can't be written, or read.
        """
        self.watch.look()
        if self.watch.status in ("FINISHED", "FAILED") or not self.job.recorded():
            return
        given = lease.read(self.job.folder)
        self._lease = self._lease._replace(token=secrets.token_hex(8))
        about = {k: v for k, v in given.items() if k not in ("attempt", "token")}
        self._lease.describe(self._check, **about)
        journal.supersede(self.job.folder)
        with contextlib.closing(Journal(self.job.folder, self._lease.check)) as held:
            held.append("tags", {f"lost_{self.number}": lost} if lost else {})
            if self.watch.status != "KILLED":
                held.append("status", {"status": "KILLED"})
            held.sync()


def end_all(attempts: Iterable[Attempt], executor: Executor) -> None:
    """End what still lives: each may close its record, and is killed if that takes too long."""
    living = [attempt.worker for attempt in attempts if attempt.worker.poll() is None]
    try:
        executor.signal(living, signal.SIGTERM)
        _wait(living, _GRACE)
    finally:  # a second Ctrl-C is no wish to wait
        executor.signal([worker for worker in living if worker.poll() is None], signal.SIGKILL)
        _wait(living, _DYING)


def _wait(workers: Sequence[Worker], seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and any(worker.poll() is None for worker in workers):
        time.sleep(PAUSE)
