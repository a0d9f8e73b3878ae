"""A run folder's record, written to its store afterwards."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, List, Mapping, NamedTuple, Optional

from lenet_exp import tf_compat
from lenet_exp.config.cli.recorded_options import UploadOptions
from lenet_exp.config.cli.script_options import EXPERIMENT
from lenet_exp.record.next_steps import next_steps
from lenet_exp.record.run import run_folders
from lenet_exp.record.store import dead_runs, store_check, sync
from lenet_exp.record.store.journal import Journal, merged, read
from lenet_exp.record.store.mlflow_store import Store
from lenet_exp.record.terminal import go_to, upload_command


class Uploaded(NamedTuple):
    """Where a record is now, and what to type to see it.

    `before` is the id that the store had no run of, or the same.
    """

    run_id: str
    before: str
    seen: List[str]


def main(options: UploadOptions, folder: Path) -> int:
    """Upload the run in `folder`, and say where it is."""
    done = upload(folder, options.uri)
    if done.before != done.run_id:
        print(f"the store had no run {done.before}; it is recorded anew")
    print("\n  ".join([f"run {done.run_id} is complete", *done.seen]))
    return 0


def upload(folder: Path, elsewhere: Optional[str] = None) -> Uploaded:
    """Write to the store whatever it lacks of the run in `folder`, and how it ended.

    What the person should know of other runs in that store is printed.
    `elsewhere` is the URI of another store than the run was to be recorded in.

    Raises:
        StoreError: the store refuses, or another process is at work on the run.
        DataError: the folder is not what it should be.
    """
    elsewhere = store_check.absolute(elsewhere)
    tracking = _go_to_start(folder)
    with contextlib.closing(Journal(folder)) as journal:
        uri = store_check.chosen_uri(elsewhere or tracking.get("uri"))
        store_check.check_root(uri, Path.cwd(), tf_compat.stack_of_this_python())
        store = Store(uri, tracking.get("experiment", "lenet-exp"))
        if elsewhere is None:
            sync.check_same_store(store, journal, upload_command(folder))
        known, tags = merged(journal.entries, "run"), merged(journal.entries, "tags")
        run = sync.open_run(store, journal, known.get("name") or tags["mlflow.runName"], tags)
        if merged(journal.entries, "status").get("status", "RUNNING") == "RUNNING":
            journal.append("status", {"status": "KILLED"})  # nobody holds it, so it was
        sync.complete(run, journal)
    for line in list(dead_runs.end_dead_runs(store, folder)):
        print(line)
    return Uploaded(run.run_id, known.get("run_id", run.run_id), next_steps(store, uri))


def _go_to_start(folder: Path) -> Mapping[str, Any]:
    """Go to where a run was started, or a script's record is made; return uri and experiment."""
    tags = merged(read(folder), "tags")
    if "script" not in tags:
        tracking: Mapping[str, Any] = run_folders.config_of(folder).get("tracking", {})
        run_folders.go_to_start(folder)
        return tracking
    place = Path(tags.get("place", Path.cwd()))
    if place.is_dir():
        go_to(place)
    return {"experiment": EXPERIMENT, **tags}
