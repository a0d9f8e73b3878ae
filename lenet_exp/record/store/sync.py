"""What the journal holds and a store lacks, written there: nothing twice, nothing forgotten.

While a run is made by a thread of its own, and once more by `complete` at its end.
"""

from __future__ import annotations

import shlex
import threading
import time
from pathlib import Path
from typing import Dict, Iterable, List, NamedTuple, Optional

from lenet_exp.config.passwords import without_password
from lenet_exp.errors import LeaseLostError, LeaseUnreadableError, StoreError
from lenet_exp.record.store import store_check
from lenet_exp.record.store.journal import Entry, Journal, merged
from lenet_exp.record.store.mlflow_store import Point, Present, Run, Store, tag_value

_EVERY = 5.0  # seconds between two batches: a batch costs some ms however little is in it
_LONGEST_PAUSE = 60.0  # seconds until a store that refused is tried again
_MOST = 10_000  # entries that wait; beyond, the journal alone has them, until the end
NOTHING = Present(set(), {}, set(), "")


class Missing(NamedTuple):
    """What is to be written."""

    params: Dict[str, object]
    tags: Dict[str, str]
    points: List[Point]
    artifacts: List[str]  # paths in the run folder, in order


def missing(entries: Iterable[Entry], present: Present) -> Missing:
    """Return what `entries` hold that is not `present`; artifacts are always written anew."""
    entries = list(entries)
    points = [
        Point(key, float(value), entry.time, entry.step)
        for entry in entries
        if entry.kind == "metrics"
        for key, value in entry.values.items()
        if (key, entry.step) not in present.metrics
    ]
    paths = [entry.values["path"] for entry in entries if entry.kind == "artifact"]
    return Missing(
        {k: v for k, v in merged(entries, "params").items() if k not in present.params},
        {k: v for k, v in merged(entries, "tags").items() if present.tags.get(k) != tag_value(v)},
        points,
        list(dict.fromkeys(paths)),
    )


def write(run: Run, what: Missing, folder: Path) -> None:
    """Send it to the store.

    Raises:
        StoreError: it refuses; some of it may have been written.
    """
    run.params(what.params)
    run.tags(what.tags)
    run.metrics(what.points)
    for path in what.artifacts:
        if (folder / path).exists():
            run.artifact(folder / path, path.rpartition("/")[0] or None)


def open_run(store: Store, journal: Journal, name: str, tags: Dict[str, str]) -> Run:
    """Return the journal's run in the store; a new one if none has it, or it is gone.

    Raises:
        StoreError: the store refuses.
    """
    known = merged(journal.entries, "run")
    run = store.find(known["run_id"]) if known else None
    if run is None:
        begun = journal.entries[0].time if journal.entries else None
        run = store.create(name, tags, begun, journal.check)
        place = {"cwd": known.get("cwd", str(Path.cwd())), "uri": without_password(store.uri)}
        journal.append("run", {"run_id": run.run_id, "name": name, **place})
    return run.checked_by(journal.check)


def check_same_store(store: Store, journal: Journal, command: str) -> None:
    """Refuse another store than the one that has the journal's run, which is about to go on.

    `command` is what to type with the right store.

    Raises:
        StoreError: another one is configured.
    """
    known = merged(journal.entries, "run")
    recorded, here = known.get("uri"), without_password(store.uri)
    whole = store_check.absolute(recorded, Path(known.get("cwd", ""))), store_check.absolute(here)
    if recorded not in (None, here) and whole[0] != whole[1]:
        problem = f"this run is recorded in {recorded}"
        raise StoreError(here, problem, _in_store(str(whole[0]), command))


def _in_store(uri: str, command: str) -> str:
    """Return a command with another store, where it was typed: that goes before the environment."""
    ours, end, arguments = command.partition(" -- ")
    for word in shlex.split(ours):
        if word.startswith("tracking.uri="):
            other = shlex.quote(f"tracking.uri={uri}")
            return ours.replace(shlex.quote(word), other) + end + arguments
    return f"MLFLOW_TRACKING_URI={shlex.quote(uri)} {command}"


def complete(run: Run, journal: Journal) -> None:
    """Write whatever of the journal the store lacks, and how the run ended.

    Raises:
        LeaseLostError: another attempt at this job has the journal.
        StoreError: the store refuses, or has afterwards not all that it was sent.
    """
    before = run.present()
    write(run, missing(journal.entries, before), journal.folder)
    left = missing(journal.entries, run.present())
    if left.params or left.tags or left.points:
        raise StoreError(run.run_id, "the store did not keep all it was told", "look into it")
    status = merged(journal.entries, "status").get("status", "RUNNING")
    if status not in ("RUNNING", before.status):
        ended = [entry.time for entry in journal.entries if entry.kind == "status"][-1]
        run.end(status, ended)


class Observer:
    """Takes entries at once, and sends them when it suits; a refusal is tried again.

    Training neither waits for it nor ends with it.
    """

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
        except LeaseUnreadableError:  # so does training, which says it
            self._present = None
        except LeaseLostError:
            with self._lock:
                self._waiting.clear()
        self.cpu_seconds += time.thread_time() - begun
