"""The loop: steps in, windows out."""

from __future__ import annotations

import time
from typing import Callable, Iterator, Optional, Tuple

from lenet_exp.training.history import Steps

LONGEST_WINDOW = 100


def window_size(steps_per_epoch: int, log_every: Optional[int] = None, per_call: int = 1) -> int:
    """Return the steps of a window, in whole calls: as set, else 100, or a tenth of an epoch."""
    size = min(LONGEST_WINDOW, max(1, steps_per_epoch // 10)) if log_every is None else log_every
    return max(1, size // per_call) * per_call


def stops(first_step: int, last_step: int, *intervals: int) -> Iterator[int]:
    """Yield, in order, the steps after `first_step` at which the loop pauses.

    They are the multiples of each interval, and `last_step`. Windows begin at them, so that a run
    resumed at one is cut into the same windows as one that was never interrupted.
    """
    step = first_step
    while step < last_step:
        step = min(last_step, *((step // interval + 1) * interval for interval in intervals))
        yield step


def train(
    make_steps: Callable[[int], Steps],
    steps: int,
    window: int,
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[Tuple[Steps, float]]:
    """Make the next `steps` steps; yield them in windows, each with its wall time in seconds.

    `make_steps(k)` makes the next k, and returns when their work is done. The caller records: time
    between windows is in none of them.
    """
    for done in range(0, steps, window):
        start = clock()
        made = make_steps(min(window, steps - done))
        yield made, clock() - start
