"""lease.json: which attempt at a job may write in its folder, to its journal and to its store.

The launching process is the only one that writes it. A process that was given up may still live,
behind a partition of the network or stopped, and go on any time: what it writes then must reach
nobody. So a new attempt gets a journal that is another file, and no checkpoint of the old one is
renamed; everything else asks first.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import time
from pathlib import Path
from typing import Any, Dict, NamedTuple

from lenet_exp.errors import DataError, LeaseLostError
from lenet_exp.record.store import journal, processes

NAME = "lease.json"
_READS, _PAUSE = 5, 0.2  # seconds


class Lease(NamedTuple):
    """The right to write in `folder`, of the attempt with this number; the token is its alone."""

    folder: Path
    attempt: int
    token: str

    def is_ours(self) -> bool:
        """Return whether no later attempt has taken it; where that can't be read, it isn't.

        It is read a few times: a file server may lose sight of a file that was just replaced.
        """
        if not self.attempt:
            return True
        for _ in range(_READS):
            given = read(self.folder)
            if given:
                return bool(given.get("token") == self.token)
            time.sleep(_PAUSE)
        return False

    def check(self) -> None:
        """Raise LeaseLostError where it is another's."""
        if not self.is_ours():
            holder = read(self.folder).get("attempt", "unknown")
            raise LeaseLostError(self.folder, self.attempt, holder)

    def describe(self, **more: Any) -> None:
        """Note who has it: where it is made, its host, boot and id among an engine's jobs."""
        _write(self.folder, {"attempt": self.attempt, "token": self.token, **more})


FREE = Lease(Path(), 0, "")  # of a run that is no attempt at a sweep's job


def read(folder: Path) -> Dict[str, Any]:
    """Return what a folder's lease says; {} where there is none."""
    try:
        found = json.loads((folder / NAME).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def take(folder: Path, place: str) -> Lease:
    """Give a job's folder to a new attempt; whoever had it can't write there any more.

    The caller holds the sweep. `place`: where the attempt is made.

    Raises:
        StoreError: a process that is none of a sweep's is at work on this run.
    """
    before = read(folder).get("attempt", 0)
    if not _was_given(folder, before):
        with contextlib.closing(journal.Journal(folder)):
            pass  # no other process has it
    lease = Lease(folder, before + 1 if isinstance(before, int) else 1, secrets.token_hex(8))
    lease.describe(place=place)
    journal.supersede(folder)
    for path in folder.glob("checkpoints/.*.part"):  # renamed at once: one may be being written
        away = path.with_name(f".{secrets.token_hex(8)}.gone")
        with contextlib.suppress(OSError):
            path.replace(away)
            shutil.rmtree(str(away), ignore_errors=True)
    return lease


def _was_given(folder: Path, attempt: int) -> bool:
    """Return whether the process that wrote the journal last had this attempt's lease."""
    try:
        entries = journal.read(folder)
        last = json.loads(journal.merged(entries, "tags").get(processes.TAG, "{}"))
    except (OSError, ValueError, DataError):
        return False
    return bool(attempt) and last.get("attempt") == attempt


def _write(folder: Path, values: Dict[str, Any]) -> None:
    with processes.written_whole(folder / NAME) as new, new.open("w") as stream:
        stream.write(json.dumps(values))
        stream.flush()
        os.fsync(stream.fileno())
