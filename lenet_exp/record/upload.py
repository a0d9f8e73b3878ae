"""A run folder's record, told to its store afterwards."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import NamedTuple

from lenet_exp import tf_compat
from lenet_exp.record import run_folders, store_check, sync
from lenet_exp.record.journal import Journal, merged
from lenet_exp.record.mlflow_store import Store


class Uploaded(NamedTuple):
    """Where a record is now; `before` is the id that the store had no run of, or the same."""

    run_id: str
    before: str
    ui: str


def upload(folder: Path) -> Uploaded:
    """Write to the store whatever it lacks of the run in `folder`, and how it ended.

    Raises:
        StoreError: the store refuses, or another process is at work on the run.
        DataError: the folder is not what it should be.
    """
    settings = run_folders.settings_of(folder)
    with contextlib.closing(Journal(folder)) as journal:
        run_folders.go_to_start(journal.entries)
        uri = store_check.chosen_uri(settings.tracking.uri)
        store_check.check_root(uri, Path.cwd(), tf_compat.stack_of_this_python())
        store = Store(uri, settings.tracking.experiment)
        known, tags = merged(journal.entries, "run"), merged(journal.entries, "tags")
        run = sync.open_run(store, journal, known["name"], tags)
        if merged(journal.entries, "status").get("status") == "RUNNING":
            journal.append("status", {"status": "KILLED"})  # nobody holds it, so it was
        sync.complete(run, journal)
    return Uploaded(run.run_id, known["run_id"], store_check.ui_command(uri))
