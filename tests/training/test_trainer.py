"""The loop and its timing, with a clock of our own."""

from __future__ import annotations

import numpy as np
import pytest

from lenet_exp.training.program import Steps
from lenet_exp.training.timing import summarize
from lenet_exp.training.trainer import train, window_size


class Clock:
    """Moves by 0.25 s a step, and by 100 s while the caller has a window."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize(
    ("first", "last", "window", "calls"),
    [
        (0, 20, 10, [(0, 10), (10, 10)]),
        (0, 25, 25, [(0, 10), (10, 10), (20, 5)]),
        (7, 12, 2, [(7, 2), (9, 2), (11, 1)]),
        (3, 3, 10, []),
    ],
)
def test_every_step_is_made_once_and_only_steps_are_timed(first, last, window, calls):
    clock, made = Clock(), []

    def run(step, count):
        made.append((step, count))
        clock.now += 0.25 * count
        numbers = np.arange(step, step + count)
        return Steps(numbers.astype(np.float32), numbers % 2 == 1, float(step))

    windows = []
    for measured in train(run, first, last, window, clock):
        windows.append(measured)
        clock.now += 100
    assert made == calls
    assert sum(w.steps for w in windows) == last - first
    assert all(w.seconds == 0.25 * w.steps for w in windows)
    losses = np.concatenate([w.losses for w in windows]) if windows else np.zeros(0)
    assert losses.tolist() == list(range(first, last))
    assert all(np.array_equal(w.skipped, w.losses % 2 == 1) for w in windows)


@pytest.mark.parametrize(
    ("steps", "size"), [(1, 1), (20, 2), (500, 50), (999, 99), (1000, 100), (5000, 100)]
)
def test_windows_are_100_steps_or_a_tenth_of_a_short_run(steps, size):
    assert window_size(steps) == size


def test_the_first_window_is_left_out():
    timing = summarize([9.0, 1.0, 2.0, 3.0], [1, 1, 1, 2])
    assert timing.median == 1.5
    assert timing.mean == 1.5
    assert timing.p95 == pytest.approx(1.95)


def test_an_only_window_counts():
    assert summarize([3.0], [2]).median == 1.5
