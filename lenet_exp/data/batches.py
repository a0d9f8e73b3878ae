"""Which examples a step sees: a pure function of the seed and the step's number."""

from __future__ import annotations

import functools
from typing import Callable, Tuple

import numpy as np

from lenet_exp.data.mnist import Split


def batch_indices(
    seed: int, examples: int, batch_size: int, first_step: int, steps: int
) -> np.ndarray:
    """Return the examples of `steps` steps from `first_step` on, int32 [steps, batch_size].

    Each pass over the data is a permutation of its own, drawn without replacement; the last
    examples of a pass that fill no batch are left out, other ones each time. Nothing is
    remembered between calls, so a resumed run draws what an uninterrupted one would have.
    """
    per_pass = examples // batch_size
    rows = []
    for step in range(first_step, first_step + steps):
        order = permutation(seed, step // per_pass, examples)
        start = (step % per_pass) * batch_size
        rows.append(order[start : start + batch_size])
    return np.stack(rows)


@functools.lru_cache(maxsize=2)
def permutation(seed: int, number: int, examples: int) -> np.ndarray:
    """Return the order of pass `number` over the data, int32 [examples]."""
    # RandomState's stream is frozen, so both stacks draw alike.
    return np.random.RandomState([seed, number]).permutation(examples).astype(np.int32)


def drawn_from(
    train: Split, seed: int, batch_size: int
) -> Callable[[int, int], Tuple[np.ndarray, np.ndarray]]:
    """Return what draws the batches of (first step, steps).

    They are uint8: images [steps, batch_size, ...] and labels [steps, batch_size].
    """

    def draw(first_step: int, steps: int) -> Tuple[np.ndarray, np.ndarray]:
        chosen = batch_indices(seed, len(train.labels), batch_size, first_step, steps)
        return train.images[chosen], train.labels[chosen]

    return draw
