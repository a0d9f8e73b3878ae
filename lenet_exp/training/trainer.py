"""The loop: steps in, windows out."""

from __future__ import annotations

import time
from typing import Callable, Iterator, NamedTuple

import numpy as np

from lenet_exp.training.program import STEPS_PER_CALL, Steps

LONGEST_WINDOW = 100


class Window(NamedTuple):
    """Consecutive steps that were measured together.

    `first_step` counts from 0 over the whole run; `seconds` is wall time of the steps alone;
    `losses` float32 [steps]; `skipped` bool [steps]; `loss_scale` is the one after the last step.
    """

    first_step: int
    steps: int
    seconds: float
    losses: np.ndarray
    skipped: np.ndarray
    loss_scale: float


def window_size(total_steps: int) -> int:
    """Return the steps of a window: 100, or fewer where ten of those would be more than all."""
    return min(LONGEST_WINDOW, max(1, total_steps // 10))


def train(
    run: Callable[[int, int], Steps],
    first_step: int,
    last_step: int,
    window: int,
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[Window]:
    """Make the steps from `first_step` up to but without `last_step`; yield them in windows.

    `run(step, k)` makes the k steps from `step` on and returns when their work is done. The
    caller records: time between windows is in none of them.
    """
    while first_step < last_step:
        size = min(window, last_step - first_step)
        start = clock()
        parts = [
            run(first_step + offset, min(STEPS_PER_CALL, size - offset))
            for offset in range(0, size, STEPS_PER_CALL)
        ]
        seconds = clock() - start
        yield Window(
            first_step,
            size,
            seconds,
            np.concatenate([part.losses for part in parts]),
            np.concatenate([part.skipped for part in parts]),
            parts[-1].loss_scale,
        )
        first_step += size
