"""What happens to a graph before types are chosen: pruned, folded, pruned again.

Source: precision-modes.md 1 (steps 1 and 3) and 7.
"""

from __future__ import annotations

from typing import Any, Dict, FrozenSet, Iterable, List, Mapping, NamedTuple, Sequence, Set, Tuple

from lenet_exp import tf_compat
from lenet_exp.precision.analysis.dtypes import output_types
from lenet_exp.precision.ir.graph import Graph, read_graph
from lenet_exp.precision.plan import Tensor
from lenet_exp.precision.planning import prune
from lenet_exp.precision.planning.fold_constants import Folded, const_node, fold
from lenet_exp.precision.target.operator_library import OperatorLibrary


class Prepared(NamedTuple):
    """A graph as the compiler has it when it begins to choose types.

    `types` are the dtype names of every node's outputs; `fetched` the nodes that a run asks for.
    """

    graph: Graph
    types: Mapping[str, Tuple[str, ...]]
    fetched: Tuple[str, ...]

    def dtype(self, tensor: Tensor) -> str:
        """Return a tensor's dtype name in the graph itself, its "origin type"."""
        types = self.types[tensor.node]
        return types[tensor.slot] if tensor.slot < len(types) else "float32"


def prepare(graph_def: Any, fetches: Sequence[str], library: OperatorLibrary) -> Prepared:
    """Return the pruned and folded graph; `graph_def` is not modified.

    Raises:
        GraphError: a fetch that isn't in the graph, or edges that make no graph.
    """
    graph = read_graph(graph_def)
    return prepare_graph(graph, prune.fetched_nodes(graph, fetches), library)


def prepare_graph(graph: Graph, fetched: Tuple[str, ...], library: OperatorLibrary) -> Prepared:
    """Return what `prepare` does, of a graph whose fetched nodes are known."""
    graph = _restricted(graph, prune.needed(graph, fetched))
    types = output_types(graph, library)
    folded = fold(graph, types, fetched)
    if folded.nodes:
        graph = _with_constants(graph, folded)
        graph = _restricted(graph, prune.needed(graph, fetched))
        types = output_types(graph, library)
    return Prepared(graph, types, fetched)


def _restricted(graph: Graph, kept: FrozenSet[str]) -> Graph:
    made = Graph({}, {}, {}, graph.library)
    for name, node in graph.nodes.items():
        if name not in kept:
            continue
        control = prune.control_inputs(graph, kept, graph.control[name])
        if control != graph.control[name]:
            node = _rewired(node, graph.data[name], control)
        _put(made, name, node, (graph.data[name], control))
    return made


def _put(
    graph: Graph, name: str, node: Any, inputs: Tuple[Tuple[Tensor, ...], Tuple[str, ...]]
) -> None:
    graph.nodes[name] = node
    graph.data[name], graph.control[name] = inputs


def _rewired(node: Any, data: Iterable[Tensor], control: Iterable[str]) -> Any:
    copy = type(node)()
    copy.CopyFrom(node)
    del copy.input[:]
    copy.input.extend(t.node if t.slot == 0 else str(t) for t in data)
    copy.input.extend(f"^{name}" for name in control)
    return copy


def _with_constants(graph: Graph, folded: Folded) -> Graph:
    """Replace folded nodes by constants under their names; consumers of later outputs rewired."""
    renamed: Dict[Tensor, Tensor] = {}
    constants: Dict[str, List[str]] = {}
    for tensor in folded.values:
        name = tensor.node if tensor.slot == 0 else _free_name(graph, tensor)
        renamed[tensor] = Tensor(name, 0)
        constants.setdefault(tensor.node, []).append(name)
    values = {renamed[tensor].node: value for tensor, value in folded.values.items()}
    made = Graph({}, {}, {}, graph.library)
    for name, node in graph.nodes.items():
        order = _order_of(graph, folded, name) if name in constants else graph.control[name]
        for constant in constants.get(name, ()):
            value = _ordered(const_node(constant, values[constant]), order)
            _put(made, constant, value, ((), order))
        if name not in folded.nodes:
            data = tuple(renamed.get(tensor, tensor) for tensor in graph.data[name])
            if data != graph.data[name]:
                node = _rewired(node, data, order)
            _put(made, name, node, (data, order))
        elif name not in values:
            # Only folded nodes consumed it, but control edges may stay.
            no_op = tf_compat.load().NodeDef(name=name, op="NoOp")
            _put(made, name, _ordered(no_op, order), ((), order))
    return made


def _ordered(node: Any, order: Iterable[str]) -> Any:
    node.input.extend(f"^{name}" for name in order)
    return node


def _free_name(graph: Graph, tensor: Tensor) -> str:
    name = f"{tensor.node}/folded_{tensor.slot}"
    while name in graph.nodes:
        name += "_"
    return name


def _order_of(graph: Graph, folded: Folded, name: str) -> Tuple[str, ...]:
    """Return all control inputs that the folded nodes behind a constant had.

    In a cond or a loop they say to which branch or iteration the constant belongs.
    """
    found: Dict[str, None] = {}
    seen: Set[str] = set()
    stack = [name]
    while stack:
        name = stack.pop()
        if name in seen:
            continue
        seen.add(name)
        found.update((other, None) for other in graph.control[name])
        if name in folded.nodes:
            stack.extend(tensor.node for tensor in graph.data[name])
    return tuple(found)
