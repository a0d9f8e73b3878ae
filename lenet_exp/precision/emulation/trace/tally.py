"""What the counters of an emulated graph have counted, call after call. No TensorFlow."""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from lenet_exp.precision.emulation.trace.counters import COLUMNS, NEVER, Site
from lenet_exp.precision.ir.builder import ITERATIONS

_COLUMN = {name: index for index, name in enumerate(COLUMNS)}


class Tally(NamedTuple):
    """Sums over calls; an array has a row for each site.

    `calls` int64 []; `counts` int64 [sites, len(COLUMNS)]; `largest` float32 [sites]; `first`
    int64 [sites], the step of the first overflow, 0 before any; `hit` int64 [sites], the calls
    in which there was one, and `operator_hit` the same of the whole operator, at its first site.
    `iteration` int64 [sites]: of a while loop, in which the first was, as `Traces` has it; else 0.
    """

    calls: np.ndarray
    counts: np.ndarray
    largest: np.ndarray
    first: np.ndarray
    hit: np.ndarray
    operator_hit: np.ndarray
    iteration: np.ndarray


class Overflowed(NamedTuple):
    """An operator that overflowed.

    `calls` in which it did, the `first` by its step; `values` that did; `site` the first of its
    sites in that step; `largest` magnitude before rounding, NaN if nothing but NaN was too much.
    `iteration`: of each while loop it is in, outermost first, when the first was, from 1.
    """

    site: Site
    calls: int
    first: int
    values: int
    largest: float
    iteration: Tuple[int, ...] = ()


class Gradient(NamedTuple):
    """The gradient of a variable as its update takes it; shares of its values, 0..1.

    `zero` in float16; `lost` those of them that were not 0 before the rounding; `subnormal`.
    """

    site: Site
    zero: float
    lost: float
    subnormal: float
    largest: float


def empty(sites: Sequence[Site]) -> Tally:
    """Return a tally of no calls."""
    count = len(sites)
    whole = [np.zeros(count, np.int64) for _ in range(4)]
    counts = np.zeros((count, len(COLUMNS)), np.int64)
    return Tally(np.zeros((), np.int64), counts, np.zeros(count, np.float32), *whole)


def overflows(sites: Sequence[Site], counts: np.ndarray) -> np.ndarray:
    """Return how many values of each site were beyond its type, or no number; int64 [sites]."""
    narrow = np.array([site.dtype == "float16" for site in sites], bool)
    beyond = np.where(narrow, counts[:, _COLUMN["overflows"]], counts[:, _COLUMN["infinite"]])
    return np.asarray(beyond + counts[:, _COLUMN["nan"]], np.int64)


def added(
    tally: Tally,
    sites: Sequence[Site],
    counts: np.ndarray,
    largest: np.ndarray,
    step: int,
    iterations: Optional[np.ndarray] = None,
) -> Tally:
    """Return the tally with one more call.

    Args:
        tally: of the calls before.
        sites: what is counted.
        counts: of this call, int64 [sites, len(COLUMNS)].
        largest: of this call, float32 [sites].
        step: the training step it is, or comes after; from 1.
        iterations: of this call, int64 [sites], if anything is in a while loop.
    """
    hit = overflows(sites, counts) > 0
    begins = _begins(sites)
    operator_hit = np.zeros(len(sites), bool)
    operator_hit[begins[hit]] = True
    new = (tally.first == 0) & hit
    inside = np.zeros(len(sites), np.int64) if iterations is None else iterations % NEVER
    return Tally(
        tally.calls + 1,
        tally.counts + counts,
        np.maximum(tally.largest, largest),
        np.where(new, step, tally.first),
        tally.hit + hit,
        tally.operator_hit + operator_hit,
        np.where(new, inside, tally.iteration),
    )


def _begins(sites: Sequence[Site]) -> np.ndarray:
    """Return for each site the first site of its operator."""
    seen: Dict[Tuple[str, str], int] = {}
    keys = [(site.operator, site.ge_type) for site in sites]
    return np.array([seen.setdefault(key, i) for i, key in enumerate(keys)], np.int64)


def rows(tally: Tally, sites: Sequence[Site]) -> List[Overflowed]:
    """Return the operators that overflowed: by first step, then in the order of a step."""
    begins, values = _begins(sites), overflows(sites, tally.counts)
    found = []
    for begin in np.unique(begins[tally.first > 0]):
        own = np.flatnonzero((begins == begin) & (tally.first > 0))
        first = own[np.argmin(tally.first[own])]
        step, calls = int(tally.first[first]), int(tally.operator_hit[begin])
        only_nan = values[own].sum() == tally.counts[own, _COLUMN["nan"]].sum()
        largest = np.nan if only_nan else float(tally.largest[own].max())
        inside = _loops(int(tally.iteration[first]))
        row = Overflowed(sites[first], calls, step, values[own].sum(), largest, inside)
        found.append((step, int(first), row))
    return [row for _, _, row in sorted(found, key=lambda each: each[:2])]


def _loops(iteration: int) -> Tuple[int, ...]:
    """Return the iteration of each loop, outermost first."""
    outer, inner = divmod(iteration, ITERATIONS)
    return (*_loops(outer), inner) if iteration else ()


def gradients(tally: Tally, sites: Sequence[Site]) -> List[Gradient]:
    """Return what float16 makes of the gradients, in the order of a step."""
    found = []
    for site, counts, largest in zip(sites, tally.counts, tally.largest):
        if site.gradient_of and counts[_COLUMN["values"]]:
            share = {name: counts[i] / counts[_COLUMN["values"]] for name, i in _COLUMN.items()}
            zero, lost = 1 - share["kept"], share["nonzero"] - share["kept"]
            subnormal = share["kept"] - share["normal"]
            found.append(Gradient(site, zero, lost, subnormal, float(largest)))
    return found
