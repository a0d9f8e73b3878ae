"""What can be typed next, as it stands, and which page shows the runs."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import List, Optional

from lenet_exp import tf_compat
from lenet_exp.config.tracking import environment_uri
from lenet_exp.record import terminal
from lenet_exp.record.store import store_check
from lenet_exp.record.store.mlflow_store import Store

_OURS = ("mlflow ", "python ")  # what only this environment has


def next_steps(store: Store, tracking_uri: Optional[str], *commands: str) -> List[str]:
    """Return lines: what leads there, `commands`, MLflow's page of the runs in `store`.

    `tracking_uri` is the one that settings or environment choose.
    """
    ui = store_check.ui_command(tracking_uri)
    page = store_check.page(store.uri, store.experiment_id, tf_compat.stack_of_this_python())
    shown = [f"{ui}", f"  and open {page}"] if ui.startswith("mlflow ") else [f"open {page}"]
    lines = [*commands, *shown]
    needed = any(line.startswith(_OURS) for line in lines)
    return [*terminal.change_folder(), *(terminal.activate() if needed else []), *lines]


def compare_command(experiment: str, uri: Optional[str]) -> str:
    """Return what compares all runs of an experiment; `uri` as the settings have it."""
    store = uri or environment_uri()
    words = [f"tracking.experiment={experiment}", *([f"tracking.uri={store}"] if store else [])]
    return " ".join(["python -m lenet_exp.compare", *map(shlex.quote, words)])


def open_command(page: Path) -> str:
    """Return what opens an HTML page in the browser."""
    return f"python -m webbrowser {shlex.quote(page.resolve().as_uri())}"
