"""Runs as they are in a tracking store: the only place that reads them back."""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path
from typing import Any, Iterable, List, Optional, Sequence, Tuple
from urllib.parse import unquote, urlparse

import numpy as np

from lenet_exp.comparison.runs import Points, Recorded, SelectedRuns
from lenet_exp.errors import DataError, StoreError
from lenet_exp.record.store.mlflow_store import Store, pages

LATEST = "latest"
_RUN = "python -m lenet_exp.run"
_MOST_NAMED = 4  # runs in a title


def sweep(store: Store, name: str) -> SelectedRuns:
    """Return the runs of a sweep; `latest` is the one that was begun last.

    Raises:
        DataError: the experiment has no such sweep.
        StoreError: the store refuses.
    """
    if name == LATEST:
        latest = latest_sweep(store)
        if latest is None:
            raise DataError("sweep=latest", "this experiment has no sweep", f"{_RUN} -m seed=0,1,2")
        name = latest
    quote = '"' if "'" in name else "'"
    runs = _search(store, f"tags.sweep = {quote}{name}{quote}")
    if not runs:
        names = ", ".join(_sweeps(_search(store, ""))[:5]) or "none"
        problem = f"no such sweep in this experiment, which has {names}"
        raise DataError(f"sweep={name}", problem, "python -m lenet_exp.compare sweep=latest")
    children = tuple(run for run in runs if not run.is_parent)
    parent = next((run for run in runs if run.is_parent), None)
    if not children:
        raise _no_job_begun(name, parent)
    return SelectedRuns(name, children, parent)


def _no_job_begun(name: str, parent: Optional[Recorded]) -> DataError:
    if parent is None or parent.status == "RUNNING":
        remedy = "the same command when its first job is being trained"
        return DataError(f"sweep={name}", "has no runs yet", remedy)
    problem = f"has no runs: it ended as {parent.status} before its first job began"
    return DataError(f"sweep={name}", problem, parent.tags.get("command", _RUN))


def experiment(store: Store, name: str) -> SelectedRuns:
    """Return every run of the store's experiment, whose name is `name`."""
    runs = tuple(run for run in _search(store, "") if not run.is_parent)
    if not runs:
        raise DataError(f"experiment {name}", "has no runs", _RUN)
    return SelectedRuns(name, runs, None)


def chosen(store: Store, run_ids: Sequence[str]) -> SelectedRuns:
    """Return the runs of these ids.

    Raises:
        DataError: the store has no such run.
    """
    runs = []
    for run_id in run_ids:
        if store.find(run_id) is None:
            remedy = "the id that a run prints, or tracking.uri= of the store that has it"
            raise DataError(f"run {run_id}", "is not in this store", remedy)
        with store.errors():
            runs.append(_recorded(store.client.get_run(run_id)))
    names = [run_id[:8] for run_id in run_ids[:_MOST_NAMED]]
    rest = [f"and {len(runs) - len(names)} more"] if len(runs) > len(names) else []
    return SelectedRuns(" ".join(["runs", *names, *rest]), tuple(runs), None)


def latest_sweep(store: Store) -> Optional[str]:
    """Return the name of the sweep that was begun last, None if there is none."""
    return next(iter(_sweeps(_search(store, ""))), None)


def _sweeps(runs: Iterable[Recorded]) -> List[str]:
    newest_first = sorted(runs, key=lambda run: -run.started)
    return list(dict.fromkeys(run.tags["sweep"] for run in newest_first if "sweep" in run.tags))


def _search(store: Store, text: str) -> List[Recorded]:
    search, place = store.client.search_runs, [store.experiment_id]
    with store.errors():
        return [_recorded(run) for run in pages(lambda **page: search(place, text, **page))]


def _recorded(run: Any) -> Recorded:
    info, data = run.info, run.data
    known = info.run_id, info.experiment_id, info.status, info.start_time or 0
    return Recorded(*known, data.params, data.tags, data.metrics, info.artifact_uri or "")


def text(store: Store, run: Recorded, name: str) -> Optional[str]:
    """Return a text artifact of a run, None if it wasn't recorded."""
    content = _artifact(store, run, name)
    return None if content is None else content.decode("utf-8", "replace")


def picture(store: Store, run: Recorded, name: str) -> Optional[bytes]:
    """Return a run's picture figures/`name`, a PNG; None if it wasn't recorded."""
    return _artifact(store, run, f"figures/{name}")


def right_images(store: Store, run: Recorded) -> Optional[np.ndarray]:
    """Return which test images a run has right, bool [images]; None where its record has none."""
    found = predictions(store, run)
    return None if found is None else found[0] == found[1]


def predictions(store: Store, run: Recorded) -> Optional[Tuple[np.ndarray, np.ndarray]]:
    """Return the test set's labels and what a run took them for, uint8 [images] each."""
    content = _artifact(store, run, "test_predictions.npz")
    if content is None:
        return None
    try:
        with np.load(io.BytesIO(content)) as kept:
            labels, classes = kept["labels"], kept["classes"]
            return (labels, classes) if labels.shape == classes.shape else None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None  # damaged, or of a version that kept no labels


def _artifact(store: Store, run: Recorded, name: str) -> Optional[bytes]:
    """Return an artifact's bytes; one in a local folder is read where it is."""
    local = urlparse(run.artifacts)
    try:
        if local.scheme in ("", "file"):
            return Path(unquote(local.path), name).read_bytes()
        return store.download(run.run_id, name)
    except (OSError, StoreError):
        return None


def points(store: Store, run: Recorded, metric: str) -> Optional[Points]:
    """Return the history of a metric, None if the run has none."""
    if metric not in run.metrics:
        return None
    with store.errors():
        listed = store.client.get_metric_history(run.run_id, metric)
    listed = sorted(listed, key=lambda point: (point.step, point.timestamp))
    steps = np.array([point.step for point in listed], np.int64)
    values = np.array([point.value for point in listed], np.float64)
    # A database keeps an infinity as the largest number there is.
    infinite = np.abs(values) == np.finfo(np.float64).max
    return Points(steps, np.where(infinite, np.copysign(np.inf, values), values))
