"""Metrics by step, of the few configurations that a plot can hold."""

from __future__ import annotations

from typing import Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from lenet_exp.comparison.configurations import Configuration
from lenet_exp.comparison.runs import Points, Recorded

METRICS = ("validation_accuracy", "loss", "loss_scale", "skipped_steps")
MOST_CURVES = 8  # that colours and dashes keep apart
_MOST_RUNS = 5  # whose spread a curve shows


class Curve(NamedTuple):
    """A metric of a configuration by step: float64 [n] mean, least and most over its runs."""

    label: str
    steps: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


class Scale(NamedTuple):
    """The loss scale of one run by step, and the windows in which a step was skipped."""

    label: str
    steps: np.ndarray
    values: np.ndarray
    overflowed: np.ndarray  # bool [n]


def drawn(found: Sequence[Configuration]) -> List[Configuration]:
    """Return the configurations that plots show: of many, the first with a finished run."""
    return [one for one in found if one.runs][:MOST_CURVES]


def runs_drawn(one: Configuration) -> Sequence[Recorded]:
    """Return the runs of a configuration whose series are read."""
    return one.runs[:_MOST_RUNS]


def curve(
    one: Configuration, metric: str, series: Mapping[Tuple[str, str], Points]
) -> Optional[Curve]:
    """Return the curve of a metric over the steps that all its runs have; None without any."""
    by_step: List[Dict[int, float]] = []
    for run in runs_drawn(one):
        points = series.get((run.run_id, metric))
        if points is not None:
            by_step.append(dict(zip(points.steps.tolist(), points.values.tolist())))
    if not by_step:
        return None
    steps = sorted(set(by_step[0]).intersection(*by_step[1:]))
    values = np.array([[known[step] for step in steps] for known in by_step])
    return Curve(
        one.label, np.array(steps), values.mean(axis=0), values.min(axis=0), values.max(axis=0)
    )


def curves(
    found: Iterable[Configuration], metric: str, series: Mapping[Tuple[str, str], Points]
) -> List[Curve]:
    """Return the curves of the configurations that have any."""
    made = [curve(one, metric, series) for one in found]
    return [one for one in made if one is not None]


def scales(found: Iterable[Configuration], series: Mapping[Tuple[str, str], Points]) -> List[Scale]:
    """Return the loss scale's history in the first run of each configuration that scales."""
    made = []
    for one in found:
        run = one.runs[0].run_id
        scale, skipped = series.get((run, "loss_scale")), series.get((run, "skipped_steps"))
        if scale is None or one.settings.get("loss_scale.name") == "none":
            continue
        more = np.zeros(len(scale.steps), bool)
        if skipped is not None and len(skipped.steps) == len(scale.steps):
            more = np.diff(skipped.values, prepend=0.0) > 0
        made.append(Scale(one.label, scale.steps, scale.values, more))
    return made
