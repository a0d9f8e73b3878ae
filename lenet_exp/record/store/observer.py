"""Sends to the store in a thread of its own: training neither waits for it nor ends with it."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import List, Optional

from lenet_exp.errors import StoreError
from lenet_exp.record.store.journal import Entry
from lenet_exp.record.store.mlflow_store import Present, Run
from lenet_exp.record.store.sync import missing, write

_EVERY = 5.0  # seconds between two batches: a batch costs some ms however little is in it
_LONGEST_PAUSE = 60.0  # seconds until a store that refused is tried again
_MOST = 10_000  # entries that wait; beyond, the journal alone has them, until the end


class Observer:
    """Takes entries at once, and sends them when it suits; a refusal is tried again."""

    def __init__(self, run: Run, folder: Path, present: Present, every: float = _EVERY) -> None:
        """Start the thread; what the store has is not written again."""
        self.problem: Optional[StoreError] = None  # the store's last answer, if it refused
        self.cpu_seconds = 0.0
        self._run, self._folder, self._every = run, folder, every
        self._present: Optional[Present] = present  # None: to be looked up
        self._waiting: List[Entry] = []
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._thread = threading.Thread(
            target=self._send_until_closed, name="observer", daemon=True
        )
        self._thread.start()

    def send(self, entry: Optional[Entry]) -> None:
        """Take an entry; never waits."""
        with self._lock:
            if entry is not None and len(self._waiting) < _MOST:
                self._waiting.append(entry)

    def close(self, patience: float) -> bool:
        """Send what waits and end; False if it takes longer than `patience` seconds."""
        self._ending.set()
        self._thread.join(patience)
        return not self._thread.is_alive()

    def _send_until_closed(self) -> None:
        pause = self._every
        while not self._ending.wait(pause):
            self._send_waiting()
            pause = self._every if self.problem is None else min(2 * pause, _LONGEST_PAUSE)
        if self.problem is None:
            self._send_waiting()

    def _send_waiting(self) -> None:
        begun = time.thread_time()
        with self._lock:
            entries = list(self._waiting)
        try:
            if self._present is None:
                self._present = self._run.present()
            write(self._run, missing(entries, self._present), self._folder)
            self.problem = None
            with self._lock:
                del self._waiting[: len(entries)]
        except StoreError as error:
            self.problem, self._present = error, None  # some of it may have been written
        self.cpu_seconds += time.thread_time() - begun
