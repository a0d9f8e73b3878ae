"""One plan, or two side by side, as plain values for a page that a browser draws."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from lenet_exp.precision.plan import Engine, Plan
from lenet_exp.precision.reporting.edges import Edge, edges_of
from lenet_exp.precision.reporting.heat import LARGEST, QUANTITIES, Heat, first_overflows
from lenet_exp.precision.reporting.records import Record, Report
from lenet_exp.precision.reporting.tables import figures, title

# What an operator is coloured by: its letters on the page, and in words.
KINDS = {
    "float16": ("h", "float16"),
    "float32": ("f", "float32"),
    "both": ("hf", "float16 and float32"),
    "ai_cpu": ("C", "on the AI CPU"),
    "refused": ("R", "refused"),
    "other": ("-", "neither"),
}
_OF_ENGINE = {Engine.REFUSED: "refused", Engine.AI_CPU: "ai_cpu"}


class Side(NamedTuple):
    """A plan, and what of it is shown."""

    plan: Plan
    report: Report


def page_model(
    sides: Sequence[Side],
    changed: Sequence[str] = (),
    measured: Optional[Mapping[str, Heat]] = None,
) -> Dict[str, Any]:
    """Return what a page shows, made of dicts, lists, texts and numbers.

    Args:
        sides: one plan, or two of one graph.
        changed: names of the operators that differ between two.
        measured: what was measured of operators under the first plan.
    """
    read = [_Read(side) for side in sides]
    sections = {
        r.name: (r.section, r.scope) for each in read[::-1] for r in each.side.report.records
    }
    first = {record.name: None for each in read for record in each.side.report.records}
    indices = {name: index for index, name in enumerate(first)}
    heat = _heat(measured or {}, read[0].edges)
    differing = {*changed}
    return {
        "plans": [{**each.head(), "title": name} for each, name in zip(read, _names(sides))],
        "kinds": {kind: {"letter": one, "words": words} for kind, (one, words) in KINDS.items()},
        "heats": heats() if measured else {},
        "operators": [
            {
                "name": name,
                "section": sections[name][0],
                "scope": sections[name][1],
                "changed": name in differing,
                "heat": heat.get(name),
                "sides": [each.operator(name, indices) for each in read],
            }
            for name in indices
        ],
    }


def _names(sides: Sequence[Side]) -> List[str]:
    """Return what names each plan: of two the mode, or, of one mode, the generation."""
    modes = [side.report.mode for side in sides]
    whole = [title(side.report.mode, side.report.generation) for side in sides]
    if len(sides) == 1:
        return whole
    return modes if modes[0] != modes[1] else [name.partition(", ")[2] for name in whole]


def heats() -> Dict[str, Dict[str, str]]:
    """Return the quantities that can be laid over a plan."""
    return {key: {"name": name, "about": about} for key, (name, about) in QUANTITIES.items()}


def kind_of(record: Record) -> str:
    """Return which of KINDS an operator is."""
    row = record.operator
    types = {*row.inputs, *row.outputs}
    half, single = "float16" in types, "float32" in types
    by_type = "both" if half and single else "float16" if half else "float32"
    return _OF_ENGINE.get(row.engine, by_type if half or single else "other")


class _Read:
    """A plan with its edges and its records by name."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self.edges = edges_of(side.plan)
        self._records = {record.name: record for record in side.report.records}

    def head(self) -> Dict[str, Any]:
        read = self.side.report
        return {
            "figures": figures(read.totals),
            "warnings": list(read.warnings),
        }

    def operator(self, name: str, indices: Mapping[str, int]) -> Optional[Dict[str, Any]]:
        """Return an operator under this plan, None where it isn't there."""
        record = self._records.get(name)
        if record is None:
            return None
        row, shown = record.operator, record.shown()
        into = zip(self.edges[name], row.origin_inputs)
        return {
            "kind": kind_of(record),
            "types": record.types,
            "type": row.ge_type,
            "tf_type": row.tf_type,
            "list": row.colour.value,
            "rule": row.rule.value,
            "engine": row.engine.value,
            "unit": row.unit,
            "reason": row.reason,
            "parts": [part for part in row.parts if part != name],
            "flops": shown["flops"],
            "moved_bytes": shown["moved_bytes"],
            "casts": record.cost.casts,
            "inputs": [_input(edge, origin, indices) for edge, origin in into],
            "outputs": [list(pair) for pair in zip(row.outputs, row.origin_outputs)],
        }


def _input(edge: Edge, origin: str, indices: Mapping[str, int]) -> Dict[str, Any]:
    made: Dict[str, Any] = {
        "from": None if edge.producer is None else indices.get(edge.producer),
        "tensor": edge.tensor,
        "dtype": edge.dtype,
        "origin": origin,
    }
    if edge.cast is not None:
        made["cast"] = edge.cast.source
        made["how"] = how_cast(edge)
    return made


def how_cast(edge: Edge) -> str:
    """Return what becomes of an edge's Cast: merged away, done on the host, or "" on the chip."""
    if edge.cast is None:
        return ""
    return "merged away" if edge.cast.removed else "on the host" if edge.cast.on_host else ""


def _heat(
    measured: Mapping[str, Heat], edges: Mapping[str, Tuple[Edge, ...]]
) -> Dict[str, Dict[str, Any]]:
    begins = first_overflows(measured, edges)
    return {
        name: {
            "damage": min(heat.damage, LARGEST),
            "lost": heat.lost,
            "overflows": heat.overflows,
            "first": name in begins,
        }
        for name, heat in measured.items()
    }
