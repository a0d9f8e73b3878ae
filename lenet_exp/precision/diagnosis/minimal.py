"""Delta debugging: the smallest part of a list that still does what the whole does. Pure."""

from __future__ import annotations

from typing import Callable, Dict, FrozenSet, List, NamedTuple, Optional, Sequence, Tuple


class Minimal(NamedTuple):
    """The part that was found.

    `is_minimal`: taking any one of its elements away breaks the target; else the budget ended
    before that was known. `tests` that were made.
    """

    elements: Tuple[str, ...]
    is_minimal: bool
    tests: int


class _BudgetEndedError(Exception):
    """No more tests are to be made."""


class _Tests:
    """The target's test, made once for each set."""

    def __init__(self, holds: Callable[[Tuple[str, ...]], bool], budget: int) -> None:
        self._holds, self._budget = holds, budget
        self._known: Dict[FrozenSet[str], bool] = {}

    @property
    def made(self) -> int:
        """How many were made."""
        return len(self._known)

    def __call__(self, elements: Sequence[str]) -> bool:
        key = frozenset(elements)
        if key not in self._known:
            if self.made >= self._budget:
                raise _BudgetEndedError
            self._known[key] = self._holds(tuple(elements))
        return self._known[key]


def minimal(
    ranked: Sequence[str], holds: Callable[[Tuple[str, ...]], bool], budget: int
) -> Minimal:
    """Return a 1-minimal part of `ranked`, of which `holds` is true.

    The elements come the most likely first: the shortest beginning that does is found by halves,
    and then what it does not need is taken out again in parts, ever smaller ones (ddmin: Zeller
    and Hildebrandt, Simplifying and Isolating Failure-Inducing Input, 2002).

    Args:
        ranked: elements, all of which together are known to do.
        holds: whether some of them, in the order of `ranked`, do.
        budget: how many times `holds` may be asked.
    """
    tests, found = _Tests(holds, budget), list(ranked)
    try:
        if tests(()):
            return Minimal((), True, tests.made)
        found = _beginning(ranked, tests)
        parts = 2
        while len(found) >= parts:
            smaller = _without_a_part(found, parts, tests)
            if smaller is not None:
                found, parts = smaller, max(parts - 1, 2)
            elif parts == len(found):
                break
            else:
                parts = min(2 * parts, len(found))
    except _BudgetEndedError:
        return Minimal(tuple(found), False, tests.made)
    return Minimal(tuple(found), True, tests.made)


def _beginning(ranked: Sequence[str], tests: _Tests) -> List[str]:
    """Return the shortest beginning that does, where longer ones than one that does do too."""
    low, high = 0, len(ranked)  # none does not, all do
    while high - low > 1:
        middle = low + 1 if low == 0 else (low + high) // 2
        if tests(ranked[:middle]):
            high = middle
        else:
            low = middle
    return list(ranked[:high])


def _without_a_part(found: List[str], parts: int, tests: _Tests) -> Optional[List[str]]:
    """Return the elements without one of so many parts, the least likely first; None: all count."""
    edges = [round(len(found) * number / parts) for number in range(parts + 1)]
    for begin, end in reversed(list(zip(edges, edges[1:]))):
        rest = found[:begin] + found[end:]
        if rest and tests(rest):
            return rest
    return None
