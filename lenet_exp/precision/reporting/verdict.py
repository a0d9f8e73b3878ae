"""What the chip would do with a graph: compile it, give operators to the AI CPU, refuse them."""

from __future__ import annotations

from typing import NamedTuple, Tuple

from lenet_exp.precision.plan import Engine, Plan


class Verdict(NamedTuple):
    """GE types that the chip refuses, and those that it gives to the AI CPU, in graph order."""

    refused: Tuple[str, ...]
    ai_cpu: Tuple[str, ...]

    def __str__(self) -> str:
        parts = (("refused", self.refused), ("AI CPU", self.ai_cpu))
        found = [f"{what}: {', '.join(types)}" for what, types in parts if types]
        return "; ".join(found) or "compiles"


def verdict(*plans: Plan) -> Verdict:
    """Return what the chip would do with the graphs of some plans."""
    rows = [row for plan in plans for row in plan.operators]
    refused, ai_cpu = (
        tuple(dict.fromkeys(row.ge_type for row in rows if row.engine is engine))
        for engine in (Engine.REFUSED, Engine.AI_CPU)
    )
    return Verdict(refused, ai_cpu)
