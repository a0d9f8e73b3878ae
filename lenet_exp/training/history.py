"""What a run has done so far, which is not in the variables, and what it says about speed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Steps(NamedTuple):
    """What some steps did: `losses` float32 [k], `skipped` bool [k], `loss_scale` after them."""

    losses: np.ndarray
    skipped: np.ndarray
    loss_scale: float


class History(NamedTuple):
    """Every step, window and validation, in order; saved whole in each checkpoint.

    A step's place in the permutation of the data follows from `step` (data.batches), and
    nothing else is drawn at random after the first values of the variables.
    """

    losses: np.ndarray = np.zeros(0, np.float32)  # [steps]
    skipped: np.ndarray = np.zeros(0, bool)  # [steps]
    window_steps: np.ndarray = np.zeros(0, np.int64)  # [windows]
    window_seconds: np.ndarray = np.zeros(0, np.float64)  # [windows]
    loss_scales: np.ndarray = np.zeros(0, np.float32)  # [windows], after each
    cold: np.ndarray = np.zeros(0, bool)  # [windows], first after a start: not timed
    validated: np.ndarray = np.zeros(0, np.int64)  # [validations], the step before each
    accuracies: np.ndarray = np.zeros(0, np.float64)  # [validations], 0..1

    @property
    def step(self) -> int:
        """Steps made."""
        return len(self.losses)

    @property
    def best_step(self) -> int:
        """The step of the best validation, the first of equals; 0 before any."""
        return int(self.validated[np.argmax(self.accuracies)]) if len(self.validated) else 0

    def with_window(self, steps: Steps, seconds: float, cold: bool) -> History:
        """Return the history with one more window: what its steps did, and took of wall time."""
        return self._replace(
            losses=np.append(self.losses, steps.losses),
            skipped=np.append(self.skipped, steps.skipped),
            window_steps=np.append(self.window_steps, len(steps.losses)),
            window_seconds=np.append(self.window_seconds, seconds),
            loss_scales=np.append(self.loss_scales, np.float32(steps.loss_scale)),
            cold=np.append(self.cold, cold),
        )

    def with_validation(self, accuracy: float) -> History:
        """Return the history with a validation after its last step."""
        return self._replace(
            validated=np.append(self.validated, self.step),
            accuracies=np.append(self.accuracies, accuracy),
        )


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
