"""What windows of steps say about speed."""

from __future__ import annotations

from typing import NamedTuple, Sequence

import numpy as np


class Timing(NamedTuple):
    """Seconds per step over windows: median, mean and 95th percentile."""

    median: float
    mean: float
    p95: float


def summarize(seconds: Sequence[float], steps: Sequence[int]) -> Timing:
    """Return the timing of windows of `steps[i]` steps that took `seconds[i]`.

    The first window holds the first session call and is left out, unless it is the only one.
    """
    per_step = np.asarray(seconds, float) / np.asarray(steps, float)
    counted = per_step[1:] if len(per_step) > 1 else per_step
    return Timing(
        float(np.median(counted)), float(np.mean(counted)), float(np.percentile(counted, 95))
    )
