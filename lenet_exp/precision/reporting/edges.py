"""What feeds each operator of a plan, and which Casts are on the way."""

from __future__ import annotations

from typing import Dict, List, Mapping, NamedTuple, Optional, Set, Tuple

from lenet_exp.precision.ir.graph import Graph, graph_of
from lenet_exp.precision.ir.names import Port, Tensor
from lenet_exp.precision.ir.op_traits import transparent
from lenet_exp.precision.plan import CastEdge, Operator, Plan


class Edge(NamedTuple):
    """What an input of an operator takes.

    `producer` is the operator that makes it, None where none does: `tensor` is then a constant, a
    variable, data, or nothing ("") that the GraphDef has. `dtype` as the operator takes it;
    `cast` is None where it is made so.
    """

    producer: Optional[str]
    tensor: str
    dtype: str
    cast: Optional[CastEdge]


def edges_of(plan: Plan) -> Dict[str, Tuple[Edge, ...]]:
    """Return the edges into every operator, in the order of its inputs."""
    nodes = [*plan.graph_def.node]
    for function in plan.functions:
        nodes += function.nodes
    graph = graph_of(nodes, {}, 0)
    made_by = _makers(plan)
    casts = {(cast.consumer, cast.slot): cast for cast in plan.casts}

    def edge(row: Operator, slot: int, port: Optional[Port]) -> Edge:
        cast = casts.get((row.name, slot))
        entering = _entering(graph, port) or row.sources[slot]
        producer, tensor = _behind(graph, entering, made_by)
        return Edge(producer, str(tensor), row.inputs[slot], cast)

    return {
        row.name: tuple(edge(row, slot, port) for slot, port in enumerate(row.ports))
        for row in plan.operators
    }


def _makers(plan: Plan) -> Mapping[Tensor, str]:
    """Return which operator makes a tensor."""
    found: Dict[Tensor, str] = {}
    for row in plan.operators:
        made = (result or Tensor(row.name, slot) for slot, result in enumerate(row.results))
        found.update((tensor, row.name) for tensor in made)
    return found


def _entering(graph: Graph, port: Optional[Port]) -> Optional[Tensor]:
    inputs: Tuple[Tensor, ...] = () if port is None else graph.data.get(port.node, ())
    return inputs[port.slot] if port is not None and port.slot < len(inputs) else None


def _behind(
    graph: Graph, tensor: Tensor, made_by: Mapping[Tensor, str]
) -> Tuple[Optional[str], Tensor]:
    """Return the operator that makes a tensor, and the tensor; Identity is looked through."""
    passed: Set[Tensor] = set()
    while tensor not in made_by and tensor not in passed:
        passed.add(tensor)
        node = graph.nodes.get(tensor.node)
        if node is None or not transparent(node):
            break
        tensor = graph.data[tensor.node][0]
    return made_by.get(tensor), tensor


def without_own_input(edges: Mapping[str, Tuple[Edge, ...]], wanted: Set[str]) -> List[str]:
    """Return those of the `wanted` operators that no other wanted one feeds."""
    return [
        name
        for name, into in edges.items()
        if name in wanted and not wanted & {each.producer for each in into if each.producer != name}
    ]
