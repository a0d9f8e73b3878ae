"""A plan by the names of its graph, and where its emulation is written to."""

from __future__ import annotations

from typing import AbstractSet, Any, Callable, List, Mapping, NamedTuple, Optional, Tuple

from lenet_exp.precision.emulation.exact.arithmetic import Arithmetic, Count, Probe
from lenet_exp.precision.ir.builder import Nodes, data_inputs
from lenet_exp.precision.ir.names import as_input, node_of
from lenet_exp.precision.ir.op_traits import PASS_THROUGH, SWITCHES
from lenet_exp.precision.plan import CastEdge, Operator, Plan


class Lookup(NamedTuple):
    """A plan's rows by node, and its edges by (node, data input).

    `casts` are Casts to float16; `past` what an input reads where a pass removed the Casts in
    front of it; `removed` the graph's own Casts that don't round, with what they read instead.
    """

    plan: Plan
    nodes: Mapping[str, Any]
    rows: Mapping[str, Operator]
    casts: Mapping[Tuple[str, int], CastEdge]
    past: Mapping[Tuple[str, int], str]
    removed: Mapping[str, Optional[str]]


class Context(NamedTuple):
    """What is emulated, and where to: nodes, and functions of the library.

    `flush` and `probe` are what `Arithmetic` takes. `uncounted` makes the arithmetic that computes
    the same, and says of nothing whether it overflowed; None where that is to be known.
    """

    lookup: Lookup
    nodes: Nodes
    library: List[Any]
    flush: bool = False
    probe: Optional[Probe] = None
    uncounted: Optional[Callable[[Nodes], Arithmetic]] = None

    def exact(self, count: Optional[Count] = None) -> Arithmetic:
        """Return the arithmetic to the letter, appending to `nodes`."""
        if self.uncounted is not None:
            return self.uncounted(self.nodes)
        return Arithmetic(self.nodes, self.flush, self.probe, count)


def look_up(plan: Plan) -> Lookup:
    """Return a plan's rows and Casts by where they are in its graph."""
    rows = {part: row for row in plan.operators for part in row.parts}
    edges = [
        (edge, (port.node, port.slot))
        for edge in plan.casts
        if edge.port
        for port in (edge.port, *edge.others)
    ]
    casts = {port: edge for edge, port in edges if edge.target == "float16" and not edge.removed}
    past = {port: as_input(edge.reads) for edge, port in edges if edge.removed and edge.reads}
    removed = {cast.name: cast.reads and as_input(cast.reads) for cast in plan.removed_casts}
    nodes = {node.name: node for node in plan.graph_def.node}
    return Lookup(plan, nodes, rows, casts, past, removed)


def source(
    graph: Mapping[str, Any], text: str, through: AbstractSet[str] = PASS_THROUGH | SWITCHES
) -> str:
    """Return the tensor in front of operators that only pass on their first input.

    Of a variable's reference or handle, as an update takes it, that is the variable.
    """
    while node_of(text) in graph and graph[node_of(text)].op in through:
        text = graph[node_of(text)].input[0]
    return text


def tensors_read(lookup: Lookup, node: Any) -> List[str]:
    """Return the tensors that a node takes, and those it takes instead, past Casts that go."""
    data = data_inputs(node.input)
    past = (lookup.past.get((node.name, index)) for index in range(len(data)))
    instead = lookup.removed.get(node.name)
    return [*data, *(text for text in (*past, instead) if text is not None)]
