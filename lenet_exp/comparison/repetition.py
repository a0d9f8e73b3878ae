"""Did a repetition of a run come out the same, bit for bit, and if not, what was different?"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Tuple

import numpy as np

from lenet_exp.errors import DataError
from lenet_exp.record.run import conditions
from lenet_exp.record.store import journal
from lenet_exp.record.terminal import resume_command

_AT_THE_END = ("accuracy", "accuracy_percent")  # recorded again by a run that went on


class RunResult(NamedTuple):
    """What a run left: metrics that are no times, the test set's classes, and its conditions."""

    metrics: Dict[Tuple[str, int], float]  # (key, step) -> value
    classes: np.ndarray  # uint8 [test images]
    conditions: Dict[str, Any]  # with the settings


class Differences(NamedTuple):
    """How two runs differ, one line each; both empty where nothing does."""

    results: List[str]
    conditions: List[str]


def is_time(metric: str) -> bool:
    """Return whether a metric is a time, or made of one."""
    return "sec" in metric or metric == "ms_per_step"


def outcome(folder: Path) -> RunResult:
    """Read what the run in `folder` left.

    Raises:
        DataError: it has not finished, or a file is missing or damaged.
    """
    entries = journal.read(folder)
    if journal.merged(entries, "status").get("status") != "FINISHED":
        raise DataError(folder, "this run has not finished", resume_command(folder))
    metrics = {
        (key, -1 if key in _AT_THE_END else entry.step): float(value)
        for entry in entries
        if entry.kind == "metrics"
        for key, value in entry.values.items()
        if not is_time(key)
    }
    try:
        with np.load(str(folder / "test_predictions.npz")) as kept:
            classes = kept["classes"]
        recorded = conditions.read(folder / conditions.NAME)
        later = {
            f"{path.stem}, after that step": conditions.differences(recorded, conditions.read(path))
            for path in folder.glob(f"{Path(conditions.NAME).stem}-*.json")
        }
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        reason = getattr(error, "strerror", None) or "its predictions or conditions are damaged"
        raise DataError(folder, f"can't be read ({reason})", "another run") from error
    settings = journal.merged(entries, "params")
    return RunResult(metrics, classes, {**recorded, **later, "settings": settings})


def compare(before: RunResult, now: RunResult) -> Differences:
    """Return how `now` differs from `before`."""
    lines: Dict[str, str] = {}  # by metric: the first step says it all
    for key, step in sorted({*before.metrics, *now.metrics}):
        mine, theirs = before.metrics.get((key, step)), now.metrics.get((key, step))
        if repr(mine) != repr(theirs):  # all bits of a float, and NaN is like NaN
            where = "" if step < 0 else f" at step {step}"
            lines.setdefault(key, f"{key}{where}: {mine!r} then, {theirs!r} now")
    counts = len(before.classes), len(now.classes)
    others = int(np.sum(before.classes != now.classes)) if counts[0] == counts[1] else counts[1]
    if others:
        lines["test predictions"] = f"test predictions: {others} of {len(now.classes)} differ"
    return Differences(
        list(lines.values()), conditions.differences(before.conditions, now.conditions)
    )
