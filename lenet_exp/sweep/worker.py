"""A job's process and its journal, as the launching process sees them."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Optional, Tuple

from lenet_exp.record.store import journal
from lenet_exp.sweep.jobs import SweepJob

_GRACE = 20.0  # seconds for a record to be ended; a dead tracking server costs some
PAUSE = 0.05  # seconds between two looks
_OURS = "lenet-exp: "  # begins each error that is said in words


class Watch:
    """A job's progress, as its journal had it at the last `look`."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        """Read what there is already: a job that goes on has a past."""
        self.step = 0
        self.metrics: Dict[str, float] = {}
        self.status = ""
        self._path = folder / journal.NAME
        self._offset = 0
        self._first: Optional[Tuple[float, int]] = None  # time and step that the rate begins at
        self._clock = clock
        self.look()
        self.status, self._first = "", None

    def look(self) -> None:
        """Read what was written since."""
        try:
            with self._path.open("rb") as stream:
                stream.seek(self._offset)
                new = stream.read()
        except OSError:
            return
        whole = new[: new.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            self._take(json.loads(line))

    def _take(self, entry: Dict[str, Any]) -> None:
        if entry["kind"] == "status":
            self.status = entry["values"]["status"]
        if entry["kind"] == "metrics":
            self.metrics.update(entry["values"])
            self.step = max(self.step, entry["step"])
            self._first = self._first or (entry["time"] / 1000, entry["step"])

    def seconds_left(self, steps: int) -> Optional[float]:
        """Return the seconds until `steps` are made, at the rate so far; None: not known yet."""
        if self._first is None or self.step <= self._first[1]:
            return None
        begun, first = self._first
        return (steps - self.step) * (self._clock() - begun) / (self.step - first)


class Worker:
    """A fresh process that makes one job; it ends when the launching process does."""

    def __init__(self, job: SweepJob, tags: Dict[str, str], cores: int) -> None:
        """Start it.

        Args:
            job: what to make.
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
        self._log_begins = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "lenet_exp.sweep.job"],
                stdin=subprocess.PIPE,  # its end tells the job of ours
                stdout=subprocess.DEVNULL,  # run.log has it
                stderr=log,
                start_new_session=True,  # a Ctrl-C comes to the launching process alone
            )
        order = {
            "folder": str(job.folder),
            "settings": asdict(job.settings),
            "tags": tags,
            "cores": cores,
            "argv": sys.argv,
        }
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        with contextlib.suppress(BrokenPipeError):  # it has ended; its log says why
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()

    def poll(self) -> Optional[int]:
        """Return the exit code, -N for signal N; None while it lives."""
        return self._process.poll()

    def signal(self, number: int) -> None:
        """Send a signal, if it lives."""
        if self.poll() is None:
            self._process.send_signal(number)

    def reason(self) -> str:
        """Return why it failed; its process has ended."""
        code = self._process.returncode
        if code < 0:
            memory = " (by hand, or for lack of memory)" if -code == signal.SIGKILL else ""
            return f"killed by {signal.Signals(-code).name}{memory}"
        if code == 0:
            return "it ended without a result"
        error = self._logged_error() if code in (1, 2) else ""  # else it is not an error's
        return error or f"exit code {code}"

    def _logged_error(self) -> str:
        """Return the error that the log ends with: ours, or the last line of a traceback."""
        try:
            logged = self.log.read_bytes()[self._log_begins :].decode(errors="replace")
        except OSError:
            return ""
        lines = [line.strip() for line in logged.splitlines() if line.strip()]
        ours = [line[len(_OURS) :] for line in logged.splitlines() if line.startswith(_OURS)]
        return ["", *lines, *ours][-1]

    def close(self) -> None:
        """Let go of the pipe of a process that has ended."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()


def end_all(workers: Iterable[Worker]) -> None:
    """End what still lives: each may close its record, and is killed if that takes too long."""
    living = [worker for worker in workers if worker.poll() is None]
    for worker in living:
        worker.signal(signal.SIGTERM)
    until = time.monotonic() + _GRACE
    try:
        while time.monotonic() < until and any(worker.poll() is None for worker in living):
            time.sleep(PAUSE)
    finally:  # a second Ctrl-C is no wish to wait
        for worker in living:
            worker.signal(signal.SIGKILL)
            worker.close()
