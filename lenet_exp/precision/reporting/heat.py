"""What was measured of operators, to be laid over their plan."""

from __future__ import annotations

from typing import Dict, Mapping, NamedTuple, Tuple

from lenet_exp.precision.reporting.edges import Edge, without_own_input

# What each is called, and what it is.
QUANTITIES = {
    "damage": ("damage", "the error that arises in the operator"),
    "lost": ("lost share", "the share of its values that became 0"),
    "overflows": ("overflows", "values at float16's end, or no number"),
}
LARGEST = 1e9  # of a damage in a file: JSON has no infinity


class Heat(NamedTuple):
    """What one operator did to the numbers of a step.

    `damage` 0..inf, as `diagnose` has it; `lost` the share of the result's values that became 0,
    0..1; `overflows` how many of them are at float16's end or no number.
    """

    damage: float
    lost: float
    overflows: int


def first_overflows(
    measured: Mapping[str, Heat], edges: Mapping[str, Tuple[Edge, ...]]
) -> Dict[str, None]:
    """Return the operators that overflow while nothing that feeds them does."""
    overflowing = {name for name, heat in measured.items() if heat.overflows}
    return dict.fromkeys(without_own_input(edges, overflowing))
