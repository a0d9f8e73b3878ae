"""Runs as they are in a tracking store: the only place that reads them back."""

from __future__ import annotations

import hashlib
import io
import math
import re
import shlex
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any, Iterable, List, Optional, Sequence, Tuple
from urllib.parse import unquote, urlparse

import numpy as np

from lenet_exp.comparison.runs import Points, Recorded, SelectedRuns
from lenet_exp.errors import ConfigError, DataError, StoreError
from lenet_exp.record.store.mlflow_store import Store, pages

LATEST = "latest"
_RUN = "python -m lenet_exp.run"
_MOST_NAMED = 4  # runs in a title
_SWEEP = "sweep"  # the tag that says of which one a run is


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
    return _selected(name, children, _plain(name), parent)


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
    return _selected(name, runs, f"experiment={_plain(name)}")


def chosen(store: Store, run_ids: Sequence[str]) -> SelectedRuns:
    """Return the runs of these ids.

    Raises:
        DataError: the store has no such run.
        ConfigError: it is the parent of a sweep.
    """
    runs: List[Recorded] = []
    for run_id in run_ids:
        if store.find(run_id) is None:
            remedy = "the id that a run prints, or tracking.uri= of the store that has it"
            raise DataError(f"run {run_id}", "is not in this store", remedy)
        with store.errors():
            runs.append(_recorded(store.client.get_run(run_id)))
        if runs[-1].is_parent:
            raise _parent_named(run_ids, runs[-1])
    names = [run_id[:8] for run_id in run_ids[:_MOST_NAMED]]
    rest = [f"and {len(runs) - len(names)} more"] if len(runs) > len(names) else []
    title = " ".join(["runs", *names, *rest])
    of_ids = hashlib.sha256(" ".join(run_ids).encode()).hexdigest()[:8]
    return _selected(title, runs, f"runs={of_ids}")


def _parent_named(run_ids: Sequence[str], parent: Recorded) -> ConfigError:
    name = parent.tags.get(_SWEEP, LATEST)
    allowed = f"runs that train; {parent.run_id} is the parent of the sweep {name}"
    remedy = f"python -m lenet_exp.compare {shlex.quote(f'sweep={name}')}"
    return ConfigError("runs", f"[{','.join(run_ids)}]", allowed, remedy)


def _selected(
    title: str, runs: Sequence[Recorded], folder: str, parent: Optional[Recorded] = None
) -> SelectedRuns:
    """Return those of `runs` that can be compared.

    Raises:
        DataError: none of them can.
    """
    usual = tuple(run for run in runs if run.has_seed)
    strange = tuple(run for run in runs if not run.has_seed)
    if not usual:
        seed = strange[0].params["seed"]
        problem = f"has no run with a seed that is a whole number (seed={seed})"
        raise DataError(title, problem, "runs of python -m lenet_exp.run")
    return SelectedRuns(title, usual, parent, folder, strange)


def _plain(name: str) -> str:
    """Return a name as that of a folder; no sweep's has an equals sign."""
    return re.sub(r"[^\w.-]+", "_", name).strip("._") or "runs"


def latest_sweep(store: Store) -> Optional[str]:
    """Return the name of the sweep that was begun last, None if there is none."""
    return next(iter(_sweeps(_search(store, ""))), None)


def _sweeps(runs: Iterable[Recorded]) -> List[str]:
    newest_first = sorted(runs, key=lambda run: -run.started)
    return list(dict.fromkeys(run.tags[_SWEEP] for run in newest_first if _SWEEP in run.tags))


def _search(store: Store, text: str) -> List[Recorded]:
    search, place = store.client.search_runs, [store.experiment_id]
    with store.errors():
        return [_recorded(run) for run in pages(lambda **page: search(place, text, **page))]


def _recorded(run: Any) -> Recorded:
    info, data = run.info, run.data
    known = info.run_id, info.experiment_id, info.status, info.start_time or 0
    metrics = {key: _number(value) for key, value in data.metrics.items()}
    return Recorded(*known, data.params, data.tags, metrics, info.artifact_uri or "")


def _number(value: float) -> float:
    """Return a metric as it was recorded: a database keeps an infinity as the largest number."""
    return math.copysign(math.inf, value) if abs(value) == sys.float_info.max else float(value)


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
    return Points(steps, np.array([_number(point.value) for point in listed], np.float64))
