"""Delta debugging: the smallest part of a list that still does what the whole does. Pure."""

from __future__ import annotations

from typing import Callable, Dict, FrozenSet, Iterator, NamedTuple, Sequence, Tuple


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
    and then what it does not need is taken out again in parts, ever smaller ones, until no single
    one can be (after ddmin: Zeller and Hildebrandt, Simplifying and Isolating Failure-Inducing
    Input, 2002).

    Args:
        ranked: elements, all of which together are known to do.
        holds: whether some of them, in the order of `ranked`, do.
        budget: how many times `holds` may be asked.
    """
    tests, found = _Tests(holds, budget), tuple(ranked)
    try:
        if tests(()):
            return Minimal((), True, tests.made)
        for beginning in _beginnings(found, tests):
            found = beginning
        for rest in _parts(found, tests):
            found = rest
    except _BudgetEndedError:
        return Minimal(found, False, tests.made)
    return Minimal(found, True, tests.made)


def _beginnings(ranked: Sequence[str], tests: _Tests) -> Iterator[Tuple[str, ...]]:
    """Yield beginnings that do, ever shorter, to the shortest where longer ones do too."""
    low, high = 0, len(ranked)  # none does not, all do
    while high - low > 1:
        middle = low + 1 if low == 0 else (low + high) // 2
        if tests(ranked[:middle]):
            high = middle
            yield tuple(ranked[:high])
        else:
            low = middle


def _parts(found: Tuple[str, ...], tests: _Tests) -> Iterator[Tuple[str, ...]]:
    """Yield what does, ever less, until no single element can be taken out."""
    size = max(1, len(found) // 2)
    while True:
        before = len(found)
        for end in range(before, 0, -size):  # the least likely first
            rest = found[: max(0, end - size)] + found[end:]
            if rest and tests(rest):
                found = rest
                yield found
        if size == 1 and len(found) == before:
            return
        size = max(1, size // 2)
