"""Runs whose process was killed: ended in the store by the next command that opens it."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Iterator, Mapping, Tuple

from lenet_exp.errors import DataError, StoreError
from lenet_exp.record.store import journal, processes, sync
from lenet_exp.record.store.journal import Journal
from lenet_exp.record.store.mlflow_store import Run, Store
from lenet_exp.record.terminal import resume_command, upload_command


def end_dead_runs(store: Store, resumed: Path) -> Iterator[str]:
    """End as KILLED what is RUNNING without a process; yield what the person should know.

    A run of a process that lives, or that can't be seen from here, is not touched, nor the one
    in the folder `resumed`, which is about to go on.
    """
    for run_id, tags in store.running().items():
        folder = Path(tags.get("folder", "")).resolve()
        if folder == resumed.resolve() or not processes.is_dead(tags.get(processes.TAG)):
            continue
        try:
            time, status = _known(folder)
        except StoreError:  # it has just been gone on with
            continue
        ended = status != "RUNNING" and time
        Run(store, run_id).end(status if ended else "KILLED", time or None)
        if tags.get("sweep_parent") == "true":
            yield f"sweep {tags.get('sweep')} was killed; to go on: {_command(folder, tags)}"
        elif "mlflow.parentRunId" in tags:  # the sweep goes on with its jobs
            continue
        elif ended:
            yield f"run {run_id} ended before the store knew all of it: {upload_command(folder)}"
        elif time:
            yield f"run {run_id} was killed; to go on: {resume_command(folder)}"
        else:
            yield f"run {run_id} was killed"


def end_killed(store: Store, folder: Path) -> None:
    """End as KILLED the run of a folder whose process has ended, if it is RUNNING.

    What it recorded and had no time to send is there then.

    Raises:
        StoreError: the store refuses.
    """
    try:
        time, status = _known(folder)
        entries = journal.read(folder)
    except (StoreError, DataError, OSError):  # it lives all the same, or was never begun
        return
    run_id = journal.merged(entries, "run").get("run_id")
    run = store.find(run_id) if run_id else None
    present = run.present() if run is not None else sync.NOTHING
    if run is not None and present.status == "RUNNING":
        sync.write(run, sync.missing(entries, present), folder)
        run.end("KILLED" if status == "RUNNING" else status, time or None)


def _command(folder: Path, tags: Mapping[str, str]) -> object:
    """Return what goes on with a sweep: the store may have cut it."""
    with contextlib.suppress(DataError, OSError):
        tags = journal.merged(journal.read(folder), "tags") or tags
    return tags.get("command")


def _known(folder: Path) -> Tuple[int, str]:
    """Return when a dead run's journal was written last (ms since 1970, 0: never), and the status.

    Raises:
        StoreError: another process is writing it.
    """
    if not (folder / journal.NAME).is_file():
        return 0, "KILLED"
    try:
        with contextlib.closing(Journal(folder)) as held:
            last = held.entries[-1].time if held.entries else 0
            return last, journal.merged(held.entries, "status").get("status", "RUNNING")
    except (DataError, OSError):
        return 0, "KILLED"
