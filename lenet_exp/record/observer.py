"""The store, told in a thread of its own: training neither waits for it nor ends with it."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import List, Optional

from lenet_exp.errors import StoreError
from lenet_exp.record.journal import Entry
from lenet_exp.record.mlflow_store import Present, Run
from lenet_exp.record.sync import missing, write

_EVERY = 5.0  # seconds between two batches: a batch costs some ms however little is in it
_LONGEST_WAIT = 90.0  # seconds, at the end: a dead server's time-outs and retries
_MOST = 10_000  # entries that wait; beyond, the journal alone has them, until the end


class Observer:
    """Takes entries at once, and tells the store when it suits."""

    def __init__(self, run: Run, folder: Path, present: Present, every: float = _EVERY) -> None:
        """Start the thread; what the store has is not written again."""
        self.problem: Optional[StoreError] = None  # the store's first refusal
        self.cpu_seconds = 0.0
        self._run, self._folder, self._present, self._every = run, folder, present, every
        self._waiting: List[Entry] = []
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._tell, name="observer", daemon=True)
        self._thread.start()

    def send(self, entry: Optional[Entry]) -> None:
        """Take an entry; never waits."""
        with self._lock:
            if entry is not None and self.problem is None and len(self._waiting) < _MOST:
                self._waiting.append(entry)

    def close(self) -> bool:
        """Tell what waits and end; False if the store didn't answer in time."""
        self._ending.set()
        self._thread.join(_LONGEST_WAIT)
        return not self._thread.is_alive()

    def _tell(self) -> None:
        while self.problem is None and not self._ending.wait(self._every):
            self._tell_waiting()
        self._tell_waiting()

    def _tell_waiting(self) -> None:
        begun = time.thread_time()
        with self._lock:
            entries, self._waiting = self._waiting, []
        try:
            if self.problem is None:
                write(self._run, missing(entries, self._present), self._folder)
        except StoreError as error:
            self.problem = error
        self.cpu_seconds += time.thread_time() - begun
