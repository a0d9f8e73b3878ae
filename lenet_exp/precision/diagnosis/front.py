"""What every mode costs and loses: points, their Pareto front, and the one to take. Pure."""

from __future__ import annotations

from typing import Iterable, List, NamedTuple, Optional, Sequence, Tuple

from lenet_exp.precision.diagnosis.keep_list import KeepList
from lenet_exp.precision.reporting.records import report
from lenet_exp.precision.reporting.verdict import verdict


class Point(NamedTuple):
    """A mode with the operators that stay float32 in it.

    `error`: 1 - the smaller agreement of the gradients and of the updates. `cube` and `short`: the
    shares of the cube's FLOP (None where none is counted) and of the moved bytes in float16, 0..1;
    `moved`: all bytes, casts included. `refused` and `ai_cpu`: the chip's types of operators.
    """

    mode: str
    kept: KeepList
    error: float
    cube: Optional[float]
    short: float
    moved: int
    casts: int
    refused: Tuple[str, ...]
    ai_cpu: Tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether it is near enough, and runs on the chip."""
        return self.kept.holds and not self.refused


def point_of(mode: str, kept: KeepList) -> Point:
    """Return what a mode with a keep list costs."""
    sums, found = report(kept.plan).totals, verdict(kept.plan)
    agreement = min(kept.gradient.agreement, kept.updates)
    short = sums.moved_bytes_float16 / sums.moved_bytes if sums.moved_bytes else 0.0
    moved = sums.moved_bytes + sums.cast_bytes
    return Point(mode, kept, 1 - agreement, sums.cube_share, short, moved, sums.casts, *found)


def front(points: Sequence[Point]) -> List[Point]:
    """Return the points that no other is better than in all, of those that the chip takes."""
    able = [point for point in points if not point.refused]
    return [point for point in able if not any(_better(each, point) for each in able)]


def _better(one: Point, other: Point) -> bool:
    """Return whether a point is nowhere worse than another and somewhere better."""
    here, there = _costs(one), _costs(other)
    return here != there and all(a <= b for a, b in zip(here, there))


def _costs(point: Point) -> Tuple[float, ...]:
    # As it is shown: below that the order in which a stack adds decides.
    return round(point.error, 6), -(point.cube or 0.0), point.moved, len(point.ai_cpu)


def recommended(points: Iterable[Point]) -> Optional[Point]:
    """Return the point to train with: near enough, then the most on the cube, then least moved.

    What is on the AI CPU is slower than all that float16 gains; None where the target holds in
    none that the chip takes.
    """
    able = [point for point in points if point.holds]
    return min(able, key=lambda p: (len(p.ai_cpu), -round(p.cube or 0.0, 3), p.moved), default=None)
