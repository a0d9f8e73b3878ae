"""What windows of steps say about speed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lenet_exp.training.history import History


class Timing(NamedTuple):
    """Seconds per step over windows: median, mean and 95th percentile."""

    median: float
    mean: float
    p95: float


def summarize(history: History) -> Timing:
    """Return the timing of a run's windows.

    The first window after each start holds the first session call and is left out, unless there
    is no other.
    """
    per_step = history.window_seconds / history.window_steps
    warm = per_step[~history.cold]
    counted = warm if len(warm) else per_step
    return Timing(
        float(np.median(counted)), float(np.mean(counted)), float(np.percentile(counted, 95))
    )
