"""What is seen of a job while it runs: its journal."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Callable, Dict, Optional, Tuple

from lenet_exp.record.store import journal, processes


class Watch:
    """A job's progress, as its journal had it at the last `look`."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        """Read what there is already: a job that goes on has a past."""
        self.step = 0
        self.metrics: Dict[str, float] = {}
        self.status = self.process = ""
        self._path = folder / journal.NAME
        self._offset = 0
        self._first: Optional[Tuple[float, int]] = None  # time and step that the rate begins at
        self._clock = clock
        self.look()
        self.status, self.process, self._first = "", "", None

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
        for entry in journal.readable(whole.splitlines()):
            self._take(entry)

    def _take(self, entry: journal.Entry) -> None:
        if entry.kind == "status":
            self.status = entry.values["status"]
        if entry.kind == "tags":
            self.process = entry.values.get(processes.TAG, self.process)
        if entry.kind == "metrics":
            self.metrics.update(entry.values)
            made = entry.values.get("steps", entry.step)  # a script's last line is after its steps
            self.step = max(self.step, int(made))
            self._first = self._first or (entry.time / 1000, entry.step)

    def seconds_left(self, steps: int) -> Optional[float]:
        """Return the seconds until `steps` are made, at the rate so far; None: not known yet."""
        if self._first is None or self.step <= self._first[1]:
            return None
        begun, first = self._first
        return (steps - self.step) * (self._clock() - begun) / (self.step - first)
