"""Operators by scope or by type, for plans that are too large to read row by row."""

from __future__ import annotations

from typing import Callable, Dict, Iterable, List, NamedTuple, Optional, Sequence, Set, Tuple

from lenet_exp.precision.analysis.cost import Totals, totals_of
from lenet_exp.precision.reporting.filters import ROOT, View
from lenet_exp.precision.reporting.records import Comparison, Difference, Record, Report

SCOPE = "scope"
_ONE_SCREEN = 30  # groups, where no depth is asked for


class Grouping(NamedTuple):
    """`by` is "scope", so many names deep, or "type"; `depth` None: what one screen holds."""

    by: str
    depth: Optional[int] = None


class GroupSums(NamedTuple):
    """What the operators of one scope or type add up to; `flops` are the cube's."""

    name: str
    operators: int
    float16: int
    casts: int
    refused: int
    moved_bytes: int
    flops: int
    flops_share: Optional[float]


class Grouped(NamedTuple):
    """A report in groups: first what the chip refuses, then where the arithmetic and bytes are."""

    mode: str
    generation: str
    by: str
    groups: Tuple[GroupSums, ...]
    totals: Totals
    warnings: Tuple[str, ...]
    fetches: Tuple[str, ...]
    view: View


class DifferenceSums(NamedTuple):
    """How many operators of a scope or type differ between two plans, and each plan's sums."""

    name: str
    differ: int
    operators: int
    first_float16: int
    second_float16: int
    first_casts: int
    second_casts: int
    first_refused: int
    second_refused: int


class GroupedComparison(NamedTuple):
    """A comparison in groups that have a difference: refusals first, then most differences."""

    by: str
    groups: Tuple[DifferenceSums, ...]


def read_grouping(text: str) -> Grouping:
    """Return what "scope", "scope:2" or "type" asks for."""
    by, _, depth = text.partition(":")
    return Grouping(by, int(depth) if depth else None)


def grouped(read: Report, grouping: Grouping) -> Grouped:
    """Return a report in groups; without a depth, the largest in parts as a screen holds them."""
    name_of = _names(read.records, grouping)
    whole = read.totals.cube_flops
    groups = [_sums(name, each, whole) for name, each in _parted(read.records, name_of).items()]
    groups.sort(key=lambda group: (-group.refused, -group.flops, -group.moved_bytes))  # stable
    mode, generation = read.mode, read.generation
    return Grouped(mode, generation, grouping.by, tuple(groups), *read[3:])


def grouped_comparison(found: Comparison, grouping: Grouping) -> GroupedComparison:
    """Return a comparison in groups; see `grouped`."""
    differing = [_side(difference) for difference in found.differences]
    both = (*found.first.records, *found.second.records)
    name_of = _names(both if grouping.depth else differing, grouping)
    differ = _parted(differing, name_of)
    first, second = (_parted(side.records, name_of) for side in (found.first, found.second))
    groups = [
        _difference(name, len(each), first.get(name, []), second.get(name, []))
        for name, each in differ.items()
    ]
    groups.sort(key=lambda group: (-group.first_refused - group.second_refused, -group.differ))
    return GroupedComparison(grouping.by, tuple(groups))


def _side(difference: Difference) -> Record:
    return next(record for record in (difference.first, difference.second) if record)


def _parted(records: Iterable[Record], name_of: Callable[[Record], str]) -> Dict[str, List[Record]]:
    found: Dict[str, List[Record]] = {}
    for record in records:
        found.setdefault(name_of(record), []).append(record)
    return found


def _names(records: Sequence[Record], grouping: Grouping) -> Callable[[Record], str]:
    """Return what names a record's group."""
    if grouping.by != SCOPE:
        return lambda record: record.operator.ge_type
    depth = grouping.depth
    tree = _Tree(record.scope for record in records)
    opened = tree.within(_ONE_SCREEN) if depth is None else tree.down_to(depth)

    def named(record: Record) -> str:
        scope = ""
        for part in record.scope.split("/") if record.scope else ():
            if scope not in opened:
                return scope
            scope = f"{scope}/{part}".lstrip("/")
        # Directly in a scope that has others inside: its name alone would show these too.
        return f"{scope}/{ROOT}".lstrip("/") if scope in opened else scope

    return named


class _Tree:
    """Scopes with how many operators are in each, those further inside included; "" holds all."""

    def __init__(self, scopes: Iterable[str]) -> None:
        self._counts: Dict[str, int] = {}
        self._parts: Dict[str, Dict[str, None]] = {}  # the scopes in a scope, itself if directly
        for scope in scopes:
            inner, outer = scope, scope
            while True:
                self._counts[outer] = self._counts.get(outer, 0) + 1
                self._parts.setdefault(outer, {})[inner] = None
                if not outer:
                    break
                inner, outer = outer, outer.rpartition("/")[0]

    def _has_inside(self, scope: str) -> bool:
        return any(part != scope for part in self._parts[scope])

    def down_to(self, depth: int) -> Set[str]:
        """Return the scopes that are shown in parts, so that no part is deeper than `depth`."""
        depths = {scope: scope.count("/") + 1 if scope else 0 for scope in self._parts}
        return {scope for scope in depths if depths[scope] < depth and self._has_inside(scope)}

    def within(self, most: int) -> Set[str]:
        """Return the scopes that are shown in parts: the largest, as long as no more rows come."""
        opened: Set[str] = set()
        rows, waiting = 1, [""] if self._parts else []
        while waiting:
            scope = max(waiting, key=lambda each: self._counts[each])
            waiting.remove(scope)
            parts = self._parts[scope]
            if self._has_inside(scope) and (rows - 1 + len(parts) <= most or not opened):
                opened.add(scope)
                rows += len(parts) - 1
                waiting += [part for part in parts if part != scope]
        return opened


def _sums(name: str, records: Sequence[Record], whole: int) -> GroupSums:
    found = totals_of([(record.operator, record.cost) for record in records])
    return GroupSums(
        name,
        operators=found.operators,
        float16=found.float16,
        casts=found.casts,
        refused=sum(record.refused for record in records),
        moved_bytes=found.moved_bytes,
        flops=found.cube_flops,
        flops_share=found.cube_flops / whole if whole else None,
    )


def _difference(
    name: str, differ: int, first: Sequence[Record], second: Sequence[Record]
) -> DifferenceSums:
    one, two = (_sums(name, records, 0) for records in (first, second))
    operators = len({record.name for record in (*first, *second)})
    return DifferenceSums(
        *(name, differ, operators, one.float16, two.float16),
        *(one.casts, two.casts, one.refused, two.refused),
    )
