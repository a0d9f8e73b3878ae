"""record.jsonl: all that is logged of a run, in the run folder, before any store has it.

One JSON object a line. The store is a copy of this file that may lag behind or be lost.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import time
from pathlib import Path, PurePosixPath
from typing import (
    Any,
    BinaryIO,
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
)

from lenet_exp.errors import DataError, StoreError
from lenet_exp.record.store import processes

NAME = "record.jsonl"
SUPERSEDED = " (superseded)"  # ends the tag `sweep` of what is none of the sweep's any more
_DAMAGE = (ValueError, TypeError, OverflowError, RecursionError)


class Entry(NamedTuple):
    """One thing that was logged.

    `kind` and its `values`: run {run_id, name, cwd, uri}; params, tags, metrics {key: value};
    artifact {path: place in the store's folders}, both relative; status {status: RUNNING |
    FINISHED | FAILED | KILLED}. `time` in ms since 1970; `step` counts for metrics only.
    """

    kind: str
    values: Mapping[str, Any]
    time: int
    step: int = 0


def read(folder: Path) -> List[Entry]:
    """Return the entries of a run folder; a last line that a kill cut off is none.

    Raises:
        OSError: there is no such file, or it can't be read.
        DataError: it is not a journal.
    """
    path = folder / NAME
    try:
        return [_entry(line) for line in _whole_lines(path)]
    except _DAMAGE as error:
        raise DataError(path, f"is damaged ({error})", "another run") from error


def salvaged(folder: Path) -> List[Entry]:
    """Return what can be read of a damaged journal."""
    return [*readable(_whole_lines(folder / NAME))]


def readable(lines: Iterable[bytes]) -> Iterator[Entry]:
    """Yield the entries of lines, without those that are none: for who only looks on."""
    for line in lines:
        with contextlib.suppress(*_DAMAGE):
            yield _entry(line)


def _entry(line: bytes) -> Entry:
    """Return the entry of a line; raises ValueError or TypeError for what nobody wrote."""
    entry = Entry(**json.loads(line))
    whole = all(type(number) is int and 0 <= number < 2**63 for number in (entry.time, entry.step))
    if not whole or not isinstance(entry.values, dict) or not _is_right(entry.kind, entry.values):
        raise ValueError(f"no entry: {line[:60]!r}")
    return entry


def _is_right(kind: str, values: Mapping[str, Any]) -> bool:
    """Return whether values are of their kind: what is read here is believed elsewhere."""
    if kind == "metrics":
        numbers = [float(value) for value in values.values() if type(value) in (int, float)]
        return len(numbers) == len(values)
    if kind == "params":
        return True
    texts = all(isinstance(text, str) for text in values.values())
    if kind == "artifact":
        path = PurePosixPath(str(values.get("path", "..")))
        return texts and not path.is_absolute() and ".." not in path.parts
    wanted = {"run": ("run_id", "name", "cwd"), "status": ("status",), "tags": ()}
    return kind in wanted and texts and {*wanted[kind]} <= {*values}


def _whole_lines(path: Path) -> List[bytes]:
    return path.read_bytes().split(b"\n")[:-1]


@contextlib.contextmanager
def at_rest(folder: Path) -> Iterator[List[Entry]]:
    """Yield the entries of a run that nobody is at work on, nor will be in the block.

    Nothing is written, and nothing made.

    Raises:
        StoreError: another process is writing it.
        OSError, DataError: as `read`.
    """
    path = folder / NAME
    try:
        stream = path.open("r+b", buffering=0)  # for NFS locks only what may be written
    except OSError:
        stream = path.open("rb", buffering=0)
    with stream:
        _lock(stream, folder)
        yield read(folder)


def _lock(stream: BinaryIO, folder: Path) -> None:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        stream.close()
        problem = "another process is at work on this run"
        raise StoreError(folder, problem, "wait for it, or end it") from error
    except OSError:  # some network file systems have no locks
        return


def merged(entries: Iterable[Entry], kind: str) -> Dict[str, Any]:
    """Return the values of all entries of `kind`; the last one wins."""
    named = (entry for entry in entries if entry.kind == kind)
    return {key: value for entry in named for key, value in entry.values.items()}


def supersede(folder: Path) -> None:
    """Replace a journal by a copy: what a process still writes that has it open reaches nobody."""
    path = folder / NAME
    if not path.is_file():
        return
    with processes.written_whole(path) as new, new.open("wb") as stream:
        stream.write(b"".join(line + b"\n" for line in _whole_lines(path)))
        stream.flush()
        os.fsync(stream.fileno())


class Journal:
    """The record of a run that is being made: held by one process at a time."""

    def __init__(self, folder: Path, check: Callable[[], None] = lambda: None) -> None:
        """Open the journal of `folder`, new or to be gone on with.

        `check` raises where this process may write no more: it is asked before each entry.

        Raises:
            StoreError: another process is writing it.
        """
        check()
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.check = folder, check
        path = folder / NAME
        self._stream = path.open("ab", buffering=0)
        _lock(self._stream, folder)
        self.entries = read(folder)
        # What a kill cut off would make the next line unreadable.
        os.ftruncate(self._stream.fileno(), sum(len(line) + 1 for line in _whole_lines(path)))
        metrics = [entry for entry in self.entries if entry.kind == "metrics"]
        self._metrics = {(key, entry.step) for entry in metrics for key in entry.values}

    @property
    def run_id(self) -> Optional[str]:
        """The run's id in the store that had it last; None before any had."""
        return merged(self.entries, "run").get("run_id")

    def append(self, kind: str, values: Mapping[str, Any], step: int = 0) -> Optional[Entry]:
        """Write an entry; return it, or None if every metric of it was logged before.

        Raises:
            OSError: it can't be written; `entries` has it all the same, for the store to have.
            LeaseLostError: another attempt at this job has the folder.
        """
        self.check()
        if kind == "metrics":
            values = {k: v for k, v in values.items() if (k, step) not in self._metrics}
            self._metrics.update((key, step) for key in values)
        if not values:
            return None
        entry = Entry(kind, dict(values), int(time.time() * 1000), step)
        self.entries.append(entry)
        self._write(json.dumps(entry._asdict()).encode() + b"\n")
        return entry

    def _write(self, line: bytes) -> None:
        before = os.fstat(self._stream.fileno()).st_size
        try:
            if self._stream.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            os.ftruncate(self._stream.fileno(), before)  # half a line would spoil the next one
            raise OSError(error.errno, error.strerror, str(self.folder / NAME)) from error

    def sync(self) -> None:
        """Have all entries on the disk, not only with the system."""
        os.fsync(self._stream.fileno())

    def close(self) -> None:
        """Let another process have it."""
        self._stream.close()
