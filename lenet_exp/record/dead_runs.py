"""Runs whose process was killed: ended in the store by the next command that opens it."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator, Tuple

from lenet_exp.record import journal, processes
from lenet_exp.record.commands import resume_command, upload_command
from lenet_exp.record.mlflow_store import Run, Store


def end_dead_runs(store: Store, but: Path) -> Iterator[str]:
    """End as KILLED what is RUNNING without a process; yield what to tell the person.

    A run of a process that lives, or that can't be seen from here, is not touched.

    Args:
        store: the store to look through.
        but: the folder of a run that is about to go on.
    """
    for run_id, tags in store.running().items():
        folder = Path(tags.get("folder", ""))
        if folder == but or not processes.is_dead(tags.get(processes.TAG)):
            continue
        last, ended = _last(folder)
        Run(store, run_id).end("KILLED", last)
        if ended:
            yield f"run {run_id} was killed before the store knew its end: {upload_command(folder)}"
        elif last:
            yield f"run {run_id} was killed; to go on: {resume_command(run_id)}"
        else:
            yield f"run {run_id} was killed"


def _last(folder: Path) -> Tuple[int, bool]:
    """Return when the journal was told last (ms since 1970, 0: never), and if of the end."""
    try:
        entries = journal.read(folder)
    except (OSError, ValueError, TypeError):
        return 0, False
    status = journal.merged(entries, "status").get("status", "RUNNING")
    return (entries[-1].time if entries else 0), status != "RUNNING"
