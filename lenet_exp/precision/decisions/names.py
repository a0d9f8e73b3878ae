"""Which operator a person means."""

from __future__ import annotations

import difflib
from typing import Any, List, Optional, Sequence

from lenet_exp.errors import PrecisionError
from lenet_exp.precision.ir.graph import Graph, reachable, read_graph
from lenet_exp.precision.ir.names import Tensor, node_of
from lenet_exp.precision.ir.op_traits import NO_OPERATOR, ORDER_ONLY, PASS_THROUGH
from lenet_exp.precision.plan import Operator
from lenet_exp.precision.planning.compilation import Compilation
from lenet_exp.precision.planning.prune import needed

_SHOWN = 8
_COMPARED = 20_000  # of a graph's names: each costs time


def operator_named(state: Compilation, graph_def: Any, name: str) -> Operator:
    """Return the operator of a name, of a tensor it makes, or of a part of a fused one.

    Args:
        state: with all operators decided.
        graph_def: as it was given, before anything was pruned.
        name: as a person types it.

    Raises:
        PrecisionError: there is none: says what is there, or which names are near.
    """
    node, rows = node_of(name), [one.row for one in state.decided]
    wanted = (name.rstrip("/"), node)
    found = next((row for row in rows if row.name in wanted), None)
    found = found or next((row for row in rows if not {*wanted}.isdisjoint(row.parts)), None)
    if found is not None:
        return found
    given = next((each for each in graph_def.node if each.name == node), None)
    if given is None:
        problem = "the graph has no operator of that name"
        raise PrecisionError(f"operator {name}", problem, _one_of(_near(rows, node)))
    raise PrecisionError(f"operator {name}", *_no_operator(state, graph_def, given, rows))


def _no_operator(
    state: Compilation, graph_def: Any, node: Any, rows: Sequence[Operator]
) -> Sequence[str]:
    """Return why a node of the graph is no operator of the plan, and what to ask instead."""
    if node.op in NO_OPERATOR and node.name in state.graph.nodes:
        source = state.graph.source(Tensor(node.name, 0)).node
        behind = _readers(state, node.name)
        if node.op in PASS_THROUGH:
            made = [row.name for row in rows if source in (row.name, *row.parts)]
            return f"the compiler looks through this {node.op}", _one_of([*made, *behind])
        said = f"it is a {node.op}, which has the type of the graph and is no operator"
        return said, _one_of(behind)
    now = state.graph.nodes.get(node.name)
    if now is not None and now.op == "Const":
        said = "it depends on nothing but constants, so the compiler computes it before"
        return said, _one_of(_readers(state, node.name))
    given = read_graph(graph_def)
    if node.name in needed(given, state.fetched):
        said = "what it gives is used for constants and shapes alone, which the compiler computes"
        return f"{said} before", _one_of(_behind_folded(state, given, node.name))
    said = f"this {node.op} is left out: nothing that is fetched needs it"
    return said, f"fetches= what needs it, or {_one_of(_near(rows, node.name))}"


def _behind_folded(state: Compilation, given: Graph, name: str) -> List[str]:
    """Return the operators that take what came of a node that was folded away."""
    taken, left = given.consumers(by_order=False), state.graph.nodes
    stays = {each for each, node in left.items() if node.op not in ORDER_ONLY}
    found = reachable([name], lambda each: () if each in stays else taken.get(each, ()))
    ends = [each for each in found if each in stays]
    made = {one.row.name for one in state.decided}
    read = [reader for each in ends for reader in _readers(state, each)]
    return [*(each for each in ends if each in made), *read]


def _readers(state: Compilation, name: str) -> List[str]:
    """Return the operators that take what a node makes."""
    made = [
        one.row.name
        for one in state.decided
        if any(value.source.node == name for value in one.operator.inputs)
    ]
    return made[:_SHOWN]


def _near(rows: Sequence[Operator], name: str) -> List[str]:
    """Return the names that hold what was typed, those alike, else the first ones."""
    names = [row.name for row in rows]
    low = name.lower()
    having = [row.name for row in rows if low in row.name.lower() or low == row.ge_type.lower()]
    having.sort(key=lambda each: each.lower() != low)  # stable: the same but for its case, first
    alike = having or difflib.get_close_matches(name, names[:_COMPARED], n=_SHOWN, cutoff=0.6)
    return (alike or names)[:_SHOWN]


def _one_of(names: Sequence[Optional[str]]) -> str:
    known = [name for name in dict.fromkeys(names) if name]
    return "operator=" + (", or ".join(known[:_SHOWN]) if known else "the name of one in the plan")
