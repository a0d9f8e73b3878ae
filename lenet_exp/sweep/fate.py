"""What becomes of each job: read from its folder, changed by nobody but the sweep's holder."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import List, NamedTuple

from lenet_exp.errors import DataError
from lenet_exp.record.run import conditions
from lenet_exp.record.store import journal
from lenet_exp.record.store.journal import Entry
from lenet_exp.sweep.jobs import Job


class Action(Enum):
    """What is done with a job."""

    RUN = "to run"
    RESUME = "to go on with"
    REDO = "to redo"
    KEEP = "to keep"


class Fate(NamedTuple):
    """What is done with a job, and why in words; `other_code`: it was made by other code."""

    job: Job
    action: Action
    why: str
    other_code: bool = False


def fate_of(job: Job, code_sha256: str, redo_other_code: bool) -> Fate:
    """Return what is to be done with a job.

    Args:
        job: the job; what there is of it is read from its folder.
        code_sha256: of today's code.
        redo_other_code: whether what other code made is made anew.
    """
    try:
        entries = journal.read(job.folder) if (job.folder / journal.NAME).is_file() else []
    except DataError as error:
        return Fate(job, Action.REDO, f"its record {error.args[1]}")
    if not journal.merged(entries, "run"):
        return Fate(job, Action.RUN, "it was never begun")
    return _of_begun(job, entries, code_sha256, redo_other_code)


def _of_begun(job: Job, entries: List[Entry], code_sha256: str, redo_other_code: bool) -> Fate:
    made_by = conditions.recorded(job.folder).get("code_sha256", code_sha256)
    other = made_by != code_sha256
    if other and redo_other_code:
        return Fate(job, Action.REDO, "it was made by other code", other)
    if journal.merged(entries, "tags").get("config_hash", job.identity) != job.identity:
        return Fate(job, Action.REDO, "it was given other settings since", other)
    status = journal.merged(entries, "status").get("status", "RUNNING")
    if status == "FINISHED":
        accuracy = journal.merged(entries, "metrics").get("accuracy", float("nan"))
        return Fate(job, Action.KEEP, f"it finished with accuracy {accuracy:.4f}", other)
    if status == "FAILED":
        return Fate(job, Action.REDO, "it failed", other)
    return Fate(job, Action.RESUME, f"it was interrupted {_place(job.folder, entries)}", other)


def _place(folder: Path, entries: List[Entry]) -> str:
    steps = [int(path.name) for path in (folder / "checkpoints").glob("[0-9]*")]
    seen = max([entry.step for entry in entries if entry.kind == "metrics"], default=0)
    return f"at step {seen}, its checkpoint is of step {max(steps, default=0)}"
