"""Compare two things in pairs: per-round ratios, their median, and how sure it is."""

from __future__ import annotations

import random
from typing import Callable, Dict, List, NamedTuple, Sequence, TypeVar

import numpy as np

Measured = TypeVar("Measured")


class Ratio(NamedTuple):
    """Median of per-round ratios with its 95 % bootstrap interval."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.3f} [{self.low:.3f}, {self.high:.3f}]"


def measure(
    variants: Dict[str, Callable[[], Measured]], rounds: int, warm_up: int = 1
) -> Dict[str, List[Measured]]:
    """Call every variant once a round, each round in a new order; return what each returned."""
    for variant in variants.values():
        for _ in range(warm_up):
            variant()
    seen: Dict[str, List[Measured]] = {name: [] for name in variants}
    order = list(variants)
    for _ in range(rounds):
        random.shuffle(order)
        for name in order:
            seen[name].append(variants[name]())
    return seen


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Ratio:
    """Return ours / theirs, round by round."""
    each = np.asarray(ours) / np.asarray(theirs)
    draws = np.random.RandomState(0).randint(0, len(each), (10_000, len(each)))
    medians = np.median(each[draws], axis=1)
    low, high = np.percentile(medians, [2.5, 97.5])
    return Ratio(float(np.median(each)), float(low), float(high))
