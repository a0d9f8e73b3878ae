"""The parent run of a sweep, and the lock that one process at a time has."""

from __future__ import annotations

import contextlib
import itertools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterable, Iterator, List, Mapping, NamedTuple

from lenet_exp.errors import ConfigError, DataError, LenetExpError, StoreError, Terminated
from lenet_exp.record.run import run_files
from lenet_exp.record.store import dead_runs, holder, journal, processes, sync
from lenet_exp.record.store.journal import Journal
from lenet_exp.record.store.mlflow_store import Run, Store
from lenet_exp.sweep.jobs import Job

_COMMAND = "command.txt"


@contextlib.contextmanager
def hold(folder: Path, command: str) -> Iterator[Journal]:
    """Yield the sweep's own journal; no other process has it meanwhile. `command` goes on with it.

    Raises:
        StoreError: another one has.
        ConfigError: it is a sweep of another program's, of scripts or of runs.
    """
    try:
        held = Journal(folder)
    except StoreError as error:
        raise _is_held(folder) from error
    with contextlib.closing(held):
        if holder.is_alive(folder):
            raise _is_held(folder)
        before = journal.merged(held.entries, "tags").get("command", command)
        if _program(before) != _program(command):
            allowed = f"a name of its own; that sweep is of {_program(before)}"
            other = f"{_program(command)} -m sweep={folder.name}-2"
            raise ConfigError("sweep", folder.name, allowed, other)
        with holder.held(folder) as held.check:
            held.append("tags", {processes.TAG: processes.this_process()})
            yield held


def _is_held(folder: Path) -> StoreError:
    problem = f"{_holder(folder)} is at work on this sweep"
    return StoreError(f"sweep {folder.name}", problem, "wait for it, or end it")


def _program(command: str) -> str:
    return " ".join(command.split()[:3])


def _holder(folder: Path) -> str:
    """Return who wrote last into a sweep's journal: whoever holds it does so first."""
    try:
        process = json.loads(journal.merged(journal.read(folder), "tags")[processes.TAG])
        return f"process {process['pid']} on {process['host']}"
    except (OSError, DataError, ValueError, KeyError):
        return "another process"


@dataclass
class Parent:
    """The run whose children the jobs are.

    `failed`: at least one job has; `store_notes`: where the store lacks something in the end.
    """

    run_id: str
    failed: bool = False
    store_notes: List[str] = field(default_factory=list)


class About(NamedTuple):
    """What a sweep is.

    `command` goes on with it; `tracking`: the settings that say where it is recorded, as YAML;
    `varied`: key -> its values, of what its jobs have not alike.
    """

    command: str
    tracking: str
    varied: Mapping[str, str]


@contextlib.contextmanager
def open_parent(store: Store, held: Journal, about: About) -> Iterator[Parent]:
    """Yield the parent run, new or gone on with; it ends with the right status.

    Args:
        store: the tracking store.
        held: the sweep's journal, of which `hold` let this process be the only writer.
        about: what is recorded of it.
    """
    own = {
        "command": about.command,
        "sweep": held.folder.name,
        "sweep_parent": "true",
        "folder": str(held.folder),
        processes.TAG: processes.this_process(),
    }
    sync.check_same_store(store, held, about.command)
    run_files.write_bytes(held.folder / "config.yaml", about.tracking.encode())
    run = sync.open_run(store, held, held.folder.name, own)
    parent, status = Parent(run.run_id), "FAILED"
    try:
        held.append("tags", own)
        held.append("status", {"status": "RUNNING"})
        run.tags(own)
        run.reopen()
        _describe(held, about)
        sync.write(run, sync.missing(held.entries, run.present()), held.folder)
        yield parent
        status = "FAILED" if parent.failed else "FINISHED"
    except (KeyboardInterrupt, Terminated):
        status = "KILLED"
        raise
    finally:
        with contextlib.suppress(OSError):  # a full disk is no reason not to tell the store
            held.append("status", {"status": status})
        try:
            sync.complete(run, held)
        except StoreError as error:
            what, reason, _ = error.args
            parent.store_notes.append(f"the store lacks the parent run ({what}: {reason})")


def complete_jobs(store: Store, jobs: Iterable[Job]) -> Iterator[str]:
    """Have the store know all of the jobs that ended while it was away; yield what it still lacks.

    Raises:
        StoreError: it still is.
    """
    open_still = store.running()
    for job in jobs:
        try:
            entries = job.recorded()
            if journal.merged(entries, "status").get("status", "RUNNING") == "RUNNING":
                continue
            run_id = journal.merged(entries, "run").get("run_id")
            if run_id is None:  # a script tells the store at its end alone
                _record_anew(store, job)
            elif run_id in open_still:
                dead_runs.settle(Run(store, run_id), job.folder)
        except (LenetExpError, OSError) as error:
            yield f"the store lacks all of {job.delta}: {error}"


def _record_anew(store: Store, job: Job) -> None:
    with contextlib.closing(Journal(job.folder)) as held:
        tags = journal.merged(held.entries, "tags")
        run = sync.open_run(store, held, tags.get("mlflow.runName", job.delta), tags)
        sync.complete(run, held)


def _describe(held: Journal, about: About) -> None:
    """Record what is varied, and the command in full: a store may have cut it."""
    before = journal.merged(held.entries, "params")
    held.append("params", {k: v for k, v in about.varied.items() if k not in before})
    # MLflow's parameters can't be changed.
    held.append("tags", {k: v for k, v in about.varied.items() if before.get(k, v) != v})
    # Names of files may be no UTF-8: with their own bytes it can be typed again.
    command = about.command.encode(errors="surrogateescape")
    run_files.write_bytes(held.folder / _COMMAND, command + b"\n")
    held.append("artifact", {"path": _COMMAND})


def set_aside(store: Store, folder: Path) -> Path:
    """Give a job's folder up to a new attempt; return where it is kept now.

    Its run stays among the parent's children, but is none of the sweep's any more. The folder is
    renamed last: where the store refuses, or this process dies, the next command does it again.

    Raises:
        StoreError: the store refuses, or another process is at work on this job alone.
    """
    names = (folder.with_name(f"{folder.name}.{number}") for number in itertools.count(1))
    kept = next(name for name in names if not name.exists())
    tags = {"folder": str(kept), "sweep": f"{folder.parent.name}{journal.SUPERSEDED}"}
    with contextlib.ExitStack() as stack:
        try:
            held = stack.enter_context(contextlib.closing(Journal(folder)))
        except DataError:
            run_id = journal.merged(journal.salvaged(folder), "run").get("run_id")
        else:
            held.append("tags", tags)  # first: whatever is asked for then, it is redone
            run_id = held.run_id
        run = store.find(run_id) if run_id else None
        if run is not None:
            run.tags(tags)
        folder.rename(kept)
    return kept
