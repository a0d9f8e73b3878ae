"""Runs whose process has ended: the store is told what it lacks of them, and how they ended."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Iterator, List, Mapping, Optional

from lenet_exp.errors import DataError, StoreError
from lenet_exp.record.store import journal, processes, sync
from lenet_exp.record.store.journal import Entry
from lenet_exp.record.store.mlflow_store import Run, Store
from lenet_exp.record.terminal import resume_command


def end_dead_runs(store: Store, resumed: Path) -> Iterator[str]:
    """Settle what is RUNNING without a process; yield what the person should know.

    A run of a process that lives, or that can't be seen from here, is not touched, nor another
    person's, nor the one in the folder `resumed`, which is about to go on.
    """
    for run_id, tags in store.running().items():
        folder = Path(tags.get("folder", "")).resolve()
        if folder == resumed.resolve() or not processes.is_dead(tags.get(processes.TAG)):
            continue
        if not _is_ours(folder):
            continue
        try:
            status = settle(Run(store, run_id), folder)
        except StoreError:  # the next command tries again
            continue
        yield from _said(status, run_id, folder, tags)


def _is_ours(folder: Path) -> bool:
    """Return whether the record is this person's; whose was removed is anybody's to end.

    Another person's may lead to files that are not for the store.
    """
    try:
        return (folder / journal.NAME).lstat().st_uid == os.geteuid()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False


def _said(
    status: Optional[str], run_id: str, folder: Path, tags: Mapping[str, str]
) -> Iterator[str]:
    is_sweep = tags.get("sweep_parent") == "true"
    if status is None or ("mlflow.parentRunId" in tags and not is_sweep):
        return  # a sweep goes on with its jobs
    name = f"sweep {tags.get('sweep')}" if is_sweep else f"run {run_id}"
    if status != "KILLED":
        yield f"{name} ended while the store was away; the store has all of it now"
    elif is_sweep:
        yield f"{name} was killed; to go on: {_command(folder, tags)}"
    elif (folder / journal.NAME).is_file():
        yield f"{name} was killed; to go on: {resume_command(folder)}"
    else:
        yield f"{name} was killed"


def settle_in(store: Store, folder: Path) -> None:
    """Settle the run whose record is in a folder, if the store has one.

    Raises:
        StoreError: the store refuses.
    """
    with contextlib.suppress(DataError, OSError):
        run_id = journal.merged(journal.read(folder), "run").get("run_id")
        run = store.find(run_id) if run_id else None
        if run is not None:
            settle(run, folder)


def settle(run: Run, folder: Path) -> Optional[str]:
    """Have the store know all of a run whose process has ended, and then how it ended.

    That is returned: what its record in `folder` says, KILLED where it doesn't, or was removed or
    damaged. None: a process is at work on it, or it can't be read; it is left as it is.

    Raises:
        StoreError: the store refuses; it is to be settled once more.
    """
    with contextlib.ExitStack() as stack:
        try:
            entries = stack.enter_context(journal.at_rest(folder))
        except (FileNotFoundError, NotADirectoryError, DataError):
            entries = []
        except (StoreError, OSError):
            return None
        return _settle(run, folder, entries)


def _settle(run: Run, folder: Path, entries: List[Entry]) -> str:
    if run.run_id not in [entry.values["run_id"] for entry in entries if entry.kind == "run"]:
        entries = []  # they are of another run
    status = str(journal.merged(entries, "status").get("status", "RUNNING"))
    status = "KILLED" if status == "RUNNING" else status
    present = run.present()
    lacks = sync.missing(entries, present)
    if present.status != "RUNNING":  # it has the files
        sync.write(run, lacks._replace(artifacts=[]), folder)
        return status
    sync.write(run, lacks, folder)
    run.end(status, entries[-1].time if entries else None)
    return status


def _command(folder: Path, tags: Mapping[str, str]) -> object:
    """Return what goes on with a sweep: the store may have cut it."""
    with contextlib.suppress(DataError, OSError):
        tags = journal.merged(journal.read(folder), "tags") or tags
    return tags.get("command")
