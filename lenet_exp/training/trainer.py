"""The loop: steps in, windows out."""

from __future__ import annotations

import time
from typing import Callable, Iterator, Optional

from lenet_exp.training.history import Window
from lenet_exp.training.program import STEPS_PER_CALL, Steps, joined

LONGEST_WINDOW = 100


def window_size(steps_per_epoch: int, asked: Optional[int] = None, per_call: int = 1) -> int:
    """Return the steps of a window, in whole calls: as asked, else 100, or a tenth of an epoch."""
    size = min(LONGEST_WINDOW, max(1, steps_per_epoch // 10)) if asked is None else asked
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
    run: Callable[[int, int], Steps],
    first_step: int,
    last_step: int,
    window: int,
    clock: Callable[[], float] = time.perf_counter,
    longest_call: int = STEPS_PER_CALL,
) -> Iterator[Window]:
    """Make the steps from `first_step` up to but without `last_step`; yield them in windows.

    `run(step, k)` makes the k steps from `step` on, at most `longest_call`, and returns when
    their work is done. The caller records: time between windows is in none of them.
    """
    while first_step < last_step:
        size = min(window, last_step - first_step)
        start = clock()
        parts = [
            run(first_step + offset, min(longest_call, size - offset))
            for offset in range(0, size, longest_call)
        ]
        seconds = clock() - start
        yield Window(seconds, *joined(parts))
        first_step += size
