"""Integers that reach float16, where above 2048 not every one exists.

Followed are whole numbers of which nothing says that they stay small: variables, what a run
feeds, and constants; from there through operators that give whole numbers again, in an integer
type or in float32. A variable that changes by a constant is a counter whatever its type. Not
followed: into functions, the counter of a loop, and what a small constant is the maximum of.
Source: precision-modes.md 8.3; which operators those are is TensorFlow's own definition of them.
"""

from __future__ import annotations

from typing import (
    AbstractSet,
    Any,
    Dict,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

import numpy as np

from lenet_exp.precision.analysis.constants import constant_number
from lenet_exp.precision.ir.graph import Graph, in_order
from lenet_exp.precision.ir.names import Tensor
from lenet_exp.precision.ir.op_traits import (
    DATA,
    PLAIN_WRITES,
    VARIABLES,
    WHOLE_OF_ALL,
    WHOLE_OF_FIRST,
    WHOLE_OF_INTEGERS,
    WHOLE_OF_SOME,
    stand_in,
    transparent,
    updates,
)
from lenet_exp.precision.plan import CastEdge, Operator

LARGEST_EXACT, LARGEST = 2048, 65504
# An int8 or a uint8 holds no more than float16 does.
_LONG = frozenset(("int16", "int32", "int64", "uint16", "uint32", "uint64"))
_FLOATS = frozenset(("float32", "float64"))


class Origin(NamedTuple):
    """Where integers come from, in words: "the counter step (int64)".

    `constant` and `fed` say what they are if no variable; `step` what a counter changes by.
    """

    what: str
    constant: bool = False
    fed: bool = False
    step: float = 1.0


class Lost(NamedTuple):
    """Integers that are float16 in some operators."""

    origin: Origin
    operators: Tuple[Operator, ...]


def lost_integers(
    graph: Graph,
    types: Mapping[str, Sequence[str]],
    rows: Sequence[Operator],
    casts: Sequence[CastEdge],
) -> List[Lost]:
    """Return which integers of unknown size an operator takes, or gives, in float16.

    `types` are the dtype names of every node's outputs in the graph itself, `rows` and `casts`
    those of a plan.
    """
    if not any(edge.target == "float16" for edge in casts) and not any(map(_to_half, rows)):
        return []
    known = {row.name: row for row in rows}
    found: Dict[Origin, Dict[str, Operator]] = {}
    narrowed = list(_narrowed(graph, _origins(graph, types), rows, casts))
    counted = frozenset(name for name, origin in narrowed if not origin.fed)
    for name, origin in (*narrowed, *_constants(graph, casts, counted)):
        if name in known:
            found.setdefault(origin, {})[name] = known[name]
    return [Lost(origin, tuple(users.values())) for origin, users in found.items()]


def _narrowed(
    graph: Graph,
    origins: Mapping[Tensor, Origin],
    rows: Sequence[Operator],
    casts: Sequence[CastEdge],
) -> Iterator[Tuple[str, Origin]]:
    """Yield an operator's name and where its integers come from, for each that gets float16."""
    for row in filter(_to_half, rows):
        taken = [graph.source(tensor) for tensor in graph.data.get(row.name, ())]
        yield from ((row.name, origins[tensor]) for tensor in taken if tensor in origins)
    for edge in casts:
        narrows = edge.target == "float16" and not edge.removed
        # Rounded before or after, a small maximum is the same; a fused operator may have it.
        ports = [edge.port, *edge.others] if edge.port else []
        takers = [port.node for port in ports] or [edge.consumer]
        limited = all(_limits(graph, taker) for taker in takers)
        if narrows and edge.producer in origins and not limited:
            yield edge.consumer, origins[edge.producer]


def _constants(
    graph: Graph, casts: Sequence[CastEdge], beside: AbstractSet[str]
) -> Iterator[Tuple[str, Origin]]:
    """Yield what such operators take besides: a number of steps that float16 does not have.

    Of any other operator a large constant says nothing of integers, such as a mask's -1e9.
    """
    for edge in casts:
        if edge.target == "float16" and edge.on_host and edge.consumer in beside:
            constant = _inexact_constant(graph, edge.producer.node)
            if constant:
                yield edge.consumer, Origin(constant, constant=True)


def _to_half(row: Operator) -> bool:
    """Return whether an operator is a Cast of the graph itself from an integer to float16."""
    cast = row.ge_type == "Cast" and row.outputs == ("float16",)
    return cast and row.inputs[0] in _LONG


def _limits(graph: Graph, name: str) -> bool:
    """Return whether a node is a Minimum with a constant up to which float16 is exact."""
    node = graph.nodes.get(name)
    if node is None or node.op != "Minimum":
        return False
    values = [constant_number(graph, tensor) for tensor in graph.data[name]]
    return any(value is not None and abs(value) <= LARGEST_EXACT for value in values)


def _inexact_constant(graph: Graph, name: str) -> str:
    """Return what a scalar constant is called that is a whole number float16 lacks, else ""."""
    value = constant_number(graph, Tensor(name, 0)) if name in graph.nodes else None
    if value is None or abs(value) <= LARGEST_EXACT or not value.is_integer():
        return ""
    held = float(np.float16(np.clip(value, -LARGEST, LARGEST)))
    return "" if held == value else f"the constant {name} ({value:.0f}, there {held:.0f})"


def _origins(graph: Graph, types: Mapping[str, Sequence[str]]) -> Dict[Tensor, Origin]:
    """Return where the integers of every tensor come from that has any of unknown size."""
    changed = {
        graph.source(graph.data[name][0]).node
        for name, node in graph.nodes.items()
        if graph.data[name] and (updates(node) or node.op in PLAIN_WRITES)
    }
    steps = _steps(graph)
    found: Dict[Tensor, Origin] = {}
    for name in in_order(graph):
        node = graph.nodes[name]
        if transparent(node):
            continue
        begins = _begins(name, node, changed)
        origin = None if begins else _handed_on(graph, name, types, found)
        for slot, dtype in enumerate(types[name]):
            if begins and (dtype in _LONG or (name in steps and dtype in _FLOATS)):
                label = name if slot == 0 else f"{name}:{slot}"
                fed, step = node.op in DATA, steps.get(name, 1.0)
                found[Tensor(name, slot)] = Origin(f"{begins}{label} ({dtype})", fed=fed, step=step)
            elif origin is not None and (dtype in _LONG or dtype in _FLOATS):
                found[Tensor(name, slot)] = origin
    return found


def _steps(graph: Graph) -> Dict[str, float]:
    """Return the variables that change by a constant other than 0, and by how much."""
    found: Dict[str, float] = {}
    for name, node in graph.nodes.items():
        taken = [graph.source(tensor) for tensor in graph.data[name]]
        adds = node.op.startswith(("AssignAdd", "AssignSub"))
        if len(taken) < 2 or not (adds or node.op in PLAIN_WRITES):
            continue
        variable, summands = taken[0], taken
        if not adds:
            made = graph.nodes[taken[1].node]
            summands = [graph.source(tensor) for tensor in graph.data[made.name]]
            if made.op not in ("Add", "AddV2", "Sub") or variable not in summands:
                continue
        values = [constant_number(graph, each) for each in summands[:2] if each != variable]
        found.update((variable.node, abs(value)) for value in values if value)
    return found


def _begins(name: str, node: Any, changed: AbstractSet[str]) -> str:
    """Return what integers that begin at a node are, "" if none do."""
    if stand_in(node):
        return ""
    if node.op in VARIABLES:
        return "the counter " if name in changed else "the variable "
    return "what is fed as " if node.op in DATA else ""


def _handed_on(
    graph: Graph, name: str, types: Mapping[str, Sequence[str]], found: Mapping[Tensor, Origin]
) -> Optional[Origin]:
    """Return the origin of the integers that a node gives on, None if it gives none."""
    if _limits(graph, name):
        return None
    op, sources = graph.nodes[name].op, [graph.source(tensor) for tensor in graph.data[name]]
    if op in WHOLE_OF_ALL or (op in WHOLE_OF_INTEGERS and types[name][0] in _LONG):
        taken = sources
    elif op in WHOLE_OF_FIRST:
        taken = sources[:1]
    else:
        taken = [sources[i] for i in WHOLE_OF_SOME.get(op, ()) if i < len(sources)]
    return next((found[tensor] for tensor in taken if tensor in found), None)
