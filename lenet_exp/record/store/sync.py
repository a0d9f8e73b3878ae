"""What the journal holds and a store lacks, written there: nothing twice, nothing forgotten."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Dict, Iterable, List, NamedTuple

from lenet_exp.errors import StoreError
from lenet_exp.record.store.journal import Entry, Journal, merged
from lenet_exp.record.store.mlflow_store import Point, Present, Run, Store
from lenet_exp.record.store.store_check import without_password

NOTHING = Present(frozenset(), {}, frozenset(), "")


class Missing(NamedTuple):
    """What is to be written."""

    params: Dict[str, object]
    tags: Dict[str, str]
    points: List[Point]
    artifacts: List[str]  # paths in the run folder, in order


def missing(entries: Iterable[Entry], present: Present) -> Missing:
    """Return what `entries` hold that is not `present`; artifacts are always written anew."""
    entries = list(entries)
    params, tags = merged(entries, "params"), merged(entries, "tags")
    points = [
        Point(key, float(value), entry.time, entry.step)
        for entry in entries
        if entry.kind == "metrics"
        for key, value in entry.values.items()
        if (key, entry.step) not in present.metrics
    ]
    paths = [entry.values["path"] for entry in entries if entry.kind == "artifact"]
    return Missing(
        {key: value for key, value in params.items() if key not in present.params},
        {key: value for key, value in tags.items() if present.tags.get(key) != value},
        points,
        list(dict.fromkeys(paths)),
    )


def write(run: Run, what: Missing, folder: Path) -> None:
    """Send it to the store.

    Raises:
        StoreError: it refuses; some of it may have been written.
    """
    run.params(what.params)
    run.tags(what.tags)
    run.metrics(what.points)
    for path in what.artifacts:
        if (folder / path).exists():
            inside = str(PurePosixPath(path).parent)
            run.artifact(folder / path, None if inside == "." else inside)


def open_run(store: Store, journal: Journal, name: str, tags: Dict[str, str]) -> Run:
    """Return the journal's run in the store; a new one if none has it, or it is gone.

    Raises:
        StoreError: the store refuses.
    """
    known = merged(journal.entries, "run")
    run = store.find(known["run_id"]) if known else None
    if run is None:
        begun = journal.entries[0].time if journal.entries else None
        run = store.create(name, tags, begun)
        place = {"cwd": known.get("cwd", str(Path.cwd())), "uri": without_password(store.uri)}
        journal.append("run", {"run_id": run.run_id, "name": name, **place})
    return run


def check_same_store(store: Store, journal: Journal, command: str) -> None:
    """Refuse another store than the one that has the journal's run.

    Args:
        store: the one that is configured now.
        journal: of a run that is about to go on.
        command: what to type with the right store.

    Raises:
        StoreError: another one is configured.
    """
    recorded = merged(journal.entries, "run").get("uri")
    here = without_password(store.uri)
    if recorded not in (None, here):
        problem = f"this run is recorded in {recorded}"
        raise StoreError(here, problem, f"MLFLOW_TRACKING_URI={recorded} {command}")


def complete(run: Run, journal: Journal) -> None:
    """Write whatever of the journal the store lacks, and how the run ended.

    Raises:
        StoreError: the store refuses, or has afterwards not all that it was sent.
    """
    before = run.present()
    write(run, missing(journal.entries, before), journal.folder)
    left = missing(journal.entries, run.present())
    if left.params or left.tags or left.points:
        raise StoreError(run.run_id, "the store did not keep all it was told", "look into it")
    status = merged(journal.entries, "status").get("status", "RUNNING")
    if status not in ("RUNNING", before.status):
        ended = [entry.time for entry in journal.entries if entry.kind == "status"][-1]
        run.end(status, ended)
