"""The loop and its timing, with a clock of our own."""

from __future__ import annotations

import numpy as np
import pytest

from lenet_exp.training.history import History, Steps, summarize
from lenet_exp.training.trainer import stops, train, window_size


class Clock:
    """Moves by 0.25 s a step, and by 100 s while the caller has a window."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize(
    ("steps", "window", "calls"),
    [(20, 10, [10, 10]), (25, 25, [25]), (5, 2, [2, 2, 1]), (0, 10, [])],
)
def test_every_step_is_made_once_and_only_steps_are_timed(steps, window, calls):
    clock, made = Clock(), []

    def run(count):
        numbers = np.arange(sum(made), sum(made) + count)
        made.append(count)
        clock.now += 0.25 * count
        return Steps(numbers.astype(np.float32), numbers % 2 == 1, float(numbers[0]))

    windows = []
    for measured in train(run, steps, window, clock):
        windows.append(measured)
        clock.now += 100
    assert made == calls
    assert all(seconds == 0.25 * len(w.losses) for w, seconds in windows)
    losses = np.concatenate([w.losses for w, _ in windows]) if windows else np.zeros(0)
    assert losses.tolist() == list(range(steps))
    assert all(np.array_equal(w.skipped, w.losses % 2 == 1) for w, _ in windows)


@pytest.mark.parametrize(
    ("steps", "size"), [(1, 1), (20, 2), (500, 50), (999, 99), (1000, 100), (5000, 100)]
)
def test_windows_are_100_steps_or_a_tenth_of_a_short_epoch(steps, size):
    assert window_size(steps) == size


@pytest.mark.parametrize(
    ("first", "last", "intervals", "expected"),
    [
        (0, 20, (20, 500), [20]),
        (0, 20, (10, 7), [7, 10, 14, 20]),
        (14, 20, (10, 7), [20]),
        (10, 21, (10, 7), [14, 20, 21]),
        (20, 20, (10, 7), []),
    ],
)
def test_a_run_pauses_where_an_uninterrupted_one_would(first, last, intervals, expected):
    assert list(stops(first, last, *intervals)) == expected


def history(*windows):
    """Return a history of windows of (seconds, steps, cold)."""
    whole = History()
    for seconds, steps, cold in windows:
        made = Steps(np.zeros(steps, np.float32), np.zeros(steps, bool), 1.0)
        whole = whole.with_window(made, seconds, cold)
    return whole


def test_the_first_window_after_each_start_is_left_out():
    timing = summarize(
        history((9, 1, True), (1, 1, False), (8, 1, True), (2, 1, False), (3, 2, False))
    )
    assert timing.median == 1.5
    assert timing.mean == 1.5
    assert timing.p95 == pytest.approx(1.95)


def test_an_only_window_counts():
    assert summarize(history((3, 2, True))).median == 1.5
