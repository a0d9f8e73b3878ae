"""The parent run of a sweep, and the lock that one process at a time has."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Dict, Iterator, List, Mapping

from lenet_exp.errors import DataError, StoreError, Terminated
from lenet_exp.record.run import run_files
from lenet_exp.record.store import journal, processes, sync
from lenet_exp.record.store.journal import Journal
from lenet_exp.record.store.mlflow_store import Run, Store


@contextlib.contextmanager
def hold(folder: Path) -> Iterator[Journal]:
    """Yield the sweep's own journal; no other process has it meanwhile.

    Raises:
        StoreError: another one has.
    """
    try:
        held = Journal(folder)
    except StoreError as error:
        problem = f"{_holder(folder)} is at work on this sweep"
        raise StoreError(f"sweep {folder.name}", problem, "wait for it, or end it") from error
    with contextlib.closing(held):
        held.append("tags", {processes.TAG: processes.this_process()})
        yield held


def _holder(folder: Path) -> str:
    """Return who wrote last into a sweep's journal: whoever holds it does so first."""
    try:
        process = json.loads(journal.merged(journal.read(folder), "tags")[processes.TAG])
        return f"process {process['pid']} on {process['host']}"
    except (OSError, DataError, ValueError, KeyError):
        return "another process"


class Parent:
    """The run whose children the jobs are. `failed`: at least one job has."""

    def __init__(self, run: Run, held: Journal) -> None:
        self.run_id = run.run_id
        self.failed = False
        self.store_notes: List[str] = []  # where the store lacks something
        self._run, self._held = run, held

    def end(self, status: str) -> None:
        """Record how the sweep ended; a lost store is noted."""
        self._held.append("status", {"status": status})
        try:
            sync.complete(self._run, self._held)
        except StoreError as error:
            what, reason, _ = error.args
            self.store_notes = [f"the store lacks the parent run ({what}: {reason})"]


@contextlib.contextmanager
def open_parent(
    store: Store, held: Journal, tags: Mapping[str, str], tracking: str
) -> Iterator[Parent]:
    """Yield the parent run, new or gone on with; it ends with the right status.

    Args:
        store: the tracking store.
        held: the sweep's journal, of which `hold` let this process be the only writer.
        tags: what the run is tagged with besides its process and folder.
        tracking: the settings that say where it is recorded, as YAML.
    """
    name = held.folder.name
    own: Dict[str, str] = {
        **tags,
        "sweep": name,
        "sweep_parent": "true",
        "folder": str(held.folder),
        processes.TAG: processes.this_process(),
    }
    sync.check_same_store(store, held, tags["command"])
    run_files.write_bytes(held.folder / "config.yaml", tracking.encode())
    run = sync.open_run(store, held, name, own)
    held.append("tags", own)
    held.append("status", {"status": "RUNNING"})
    run.tags(own)
    run.reopen()
    parent, status = Parent(run, held), "FAILED"
    try:
        yield parent
        status = "FAILED" if parent.failed else "FINISHED"
    except (KeyboardInterrupt, Terminated):
        status = "KILLED"
        raise
    finally:
        parent.end(status)


def set_aside(store: Store, folder: Path) -> Path:
    """Give a job's folder up to a new attempt; return where it is kept now.

    Its run stays among the parent's children, but is none of the sweep's any more.
    """
    number = 1
    while folder.with_name(f"{folder.name}.{number}").exists():
        number += 1
    kept = folder.with_name(f"{folder.name}.{number}")
    try:
        held = Journal(folder)  # first: another process may be at work on this job alone
    except DataError:
        folder.rename(kept)
        return kept
    with contextlib.closing(held) as old:
        folder.rename(kept)
        before = journal.merged(old.entries, "tags").get("sweep", "")
        tags = {"folder": str(kept), "sweep": f"{before} (superseded)"}
        old.append("tags", tags)
        run = store.find(old.run_id) if old.run_id else None
        if run is not None:
            run.tags(tags)
    return kept
