"""What is done with each job: read from its folder, which only the sweep's holder changes."""

from __future__ import annotations

from enum import Enum
from typing import List, NamedTuple, Sequence

from lenet_exp.errors import DataError
from lenet_exp.record.run import checkpoints, conditions
from lenet_exp.record.store import journal
from lenet_exp.sweep.jobs import Job


class Action(Enum):
    """What is done with a job."""

    RUN = "to run"
    RESUME = "to go on with"
    REDO = "to redo"
    KEEP = "to keep"


class Decision(NamedTuple):
    """What is done with a job, and why; `other_code`: it was made by other code."""

    job: Job
    action: Action
    why: str
    other_code: bool = False


def decide(job: Job, code_sha256: str, redo_other_code: bool) -> Decision:
    """Return what is to be done with a job.

    Args:
        job: the job; what there is of it is read from its folder.
        code_sha256: of today's code.
        redo_other_code: whether what other code made is made anew.
    """
    try:
        entries = job.recorded()
    except DataError as error:
        return Decision(job, Action.REDO, f"its record {error.args[1]}")
    if not journal.merged(entries, "run"):
        return Decision(job, Action.RUN, "it was never begun")
    other = conditions.recorded(job.folder).get("code_sha256", code_sha256) != code_sha256
    status = journal.merged(entries, "status").get("status", "RUNNING")
    if journal.merged(entries, "tags").get("sweep", "").endswith(journal.SUPERSEDED):
        action, why = Action.REDO, "was being set aside"
    elif other and redo_other_code:
        action, why = Action.REDO, "was made by other code"
    elif journal.merged(entries, "tags").get("config_hash", job.identity) not in job.known_by:
        action, why = Action.REDO, "was given other settings since"
    elif status == "FINISHED":
        accuracy = journal.merged(entries, "metrics").get("accuracy", float("nan"))
        action, why = Action.KEEP, f"finished with accuracy {accuracy:.4f}"
    elif status == "FAILED":
        action, why = Action.REDO, "failed"
    else:
        step = max([entry.step for entry in entries if entry.kind == "metrics"], default=0)
        kept = f"its checkpoint is of step {max(checkpoints.steps(job.folder), default=0)}"
        action, why = Action.RESUME, f"was interrupted at step {step}, {kept}"
    return Decision(job, action, f"it {why}", other)


def summary(name: str, decisions: Sequence[Decision], command: str) -> List[str]:
    """Return how many jobs of a sweep are to be made, and how to go on with it."""
    counts = [(sum(one.action is action for one in decisions), action) for action in Action]
    said = ", ".join(f"{count} {action.value}" for count, action in counts if count)
    plural = "s" if len(decisions) > 1 else ""
    return [f"sweep {name}, {len(decisions)} job{plural} ({said}); to go on with it:", command]


def listed(decisions: Sequence[Decision]) -> List[str]:
    """Return a line a job, for a dry run."""
    return [f"{o.job.identity}  {o.job.delta}  {o.action.value}: {o.why}" for o in decisions]
