"""lease.json: which attempt at a job may write in its folder, to its journal and to its store.

The launching process is the only one that writes it. A process that was given up may still live,
behind a partition of the network or stopped, and go on any time: what it writes then must reach
nobody. So a new attempt gets a journal that is another file, and no file or checkpoint that the old
one has under way is renamed to its name; everything else asks first.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple

from lenet_exp.errors import DataError, LeaseLostError, LeaseUnreadableError
from lenet_exp.record.store import journal, processes

NAME = "lease.json"
_READS, _PAUSE = 5, 0.2  # seconds


class Lease(NamedTuple):
    """The right to write in `folder`, of the attempt with this number; the token is its alone."""

    folder: Path
    attempt: int
    token: str

    def is_ours(self) -> bool:
        """Return whether no later attempt has taken it; where there is none, it isn't.

        It is read a few times: a file server may lose sight of a file that was just replaced.

        Raises:
            LeaseUnreadableError: it can't be read.
        """
        problem = None
        for _ in range(_READS if self.attempt else 0):
            try:
                given, problem = _kept(self.folder), None
            except OSError as error:
                given, problem = {}, error
            if given:
                return bool(given.get("token") == self.token)
            time.sleep(_PAUSE)
        if problem is not None:
            what = f"can't be read ({problem.strerror})"
            raise LeaseUnreadableError(self.folder / NAME, what, "the same again")
        return not self.attempt

    def check(self) -> None:
        """Raise LeaseLostError where it is another's, LeaseUnreadableError as `is_ours`."""
        if not self.is_ours():
            holder = read(self.folder).get("attempt", "unknown")
            raise LeaseLostError(self.folder, self.attempt, holder)

    def describe(self, check: Callable[[], None] = lambda: None, **more: Any) -> None:
        """Note who has it: where it is made, its host, boot and id among an engine's jobs.

        `check` raises where this process may give no lease any more.
        """
        _write(self.folder, {"attempt": self.attempt, "token": self.token, **more}, check)


# Where in a job's folder its process writes.
_WRITTEN = ("", "checkpoints", "figures", "output")


def unfinished(folder: Path) -> List[Path]:
    """Return what is being written in a job's folder, or was when its process ended."""
    return [path for name in _WRITTEN for path in (folder / name).glob(".*.part")]


FREE = Lease(Path(), 0, "")  # of a run that is no attempt at a sweep's job


def read(folder: Path) -> Dict[str, Any]:
    """Return what a folder's lease says; {} where there is none, or it can't be read."""
    with contextlib.suppress(OSError):
        return _kept(folder)
    return {}


def _kept(folder: Path) -> Dict[str, Any]:
    """Return what is in a folder's lease; raises OSError where that can't be read."""
    try:
        found = json.loads((folder / NAME).read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def give(folder: Path, check: Callable[[], None] = lambda: None, **about: Any) -> Lease:
    """Make a new lease, and note this about who has it, unless `check` raises."""
    before = read(folder).get("attempt", 0)
    number = before + 1 if isinstance(before, int) else 1
    lease = Lease(folder, number, secrets.token_hex(8))
    lease.describe(check, **about)
    return lease


def take(folder: Path, place: str, check: Callable[[], None] = lambda: None) -> Lease:
    """Give a job's folder to a new attempt; whoever had it can't write there any more.

    Args:
        folder: the job's.
        place: where the attempt is made.
        check: raises where this process has the sweep no more.

    Raises:
        StoreError: a process that is none of a sweep's is at work on this run.
        LeaseLostError: as `check`.
    """
    check()
    if not _was_given(folder, read(folder).get("attempt", 0)):
        with contextlib.closing(journal.Journal(folder)):
            pass  # no other process has it
    lease = give(folder, check, place=place)
    journal.supersede(folder)
    for path in unfinished(folder):  # renamed at once: one may be being written
        away = path.with_name(f".{secrets.token_hex(8)}.gone")
        with contextlib.suppress(OSError):
            path.replace(away)
            shutil.rmtree(str(away)) if away.is_dir() else away.unlink()
    return lease


def _was_given(folder: Path, attempt: int) -> bool:
    """Return whether the process that wrote the journal last had this attempt's lease."""
    try:
        entries = journal.read(folder)
        last = json.loads(journal.merged(entries, "tags").get(processes.TAG, "{}"))
    except (OSError, ValueError, DataError):
        return False
    return bool(attempt) and last.get("attempt") == attempt


def _write(folder: Path, values: Dict[str, Any], check: Callable[[], None]) -> None:
    with processes.written_whole(folder / NAME) as new:
        with new.open("w") as stream:
            stream.write(json.dumps(values))
            stream.flush()
            os.fsync(stream.fileno())
        check()
