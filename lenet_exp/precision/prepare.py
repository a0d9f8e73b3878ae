"""What happens to a graph before types are chosen: pruned, folded, pruned again.

Source: precision-modes.md 1 (steps 1 and 3) and 7.
"""

from __future__ import annotations

from typing import Any, Dict, FrozenSet, Iterable, List, Mapping, NamedTuple, Sequence, Set, Tuple

from lenet_exp import tf_compat
from lenet_exp.precision import pruning
from lenet_exp.precision.dtypes import output_types
from lenet_exp.precision.folding import Folded, const_node, fold
from lenet_exp.precision.graph import Graph, graph_of, read_graph
from lenet_exp.precision.oplib import OperatorLibrary
from lenet_exp.precision.plan import Tensor


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
    return prepare_graph(graph, pruning.fetched_nodes(graph, fetches), library)


def prepare_graph(graph: Graph, fetched: Tuple[str, ...], library: OperatorLibrary) -> Prepared:
    """Return what `prepare` does, of a graph whose fetched nodes are known."""
    graph = _restricted(graph, pruning.needed(graph, fetched))
    types = output_types(graph, library)
    folded = fold(graph, types, fetched)
    if folded.nodes:
        graph = _with_constants(graph, folded)
        graph = _restricted(graph, pruning.needed(graph, fetched))
        types = output_types(graph, library)
    return Prepared(graph, types, fetched)


def _restricted(graph: Graph, kept: FrozenSet[str]) -> Graph:
    nodes = []
    for name, node in graph.nodes.items():
        if name not in kept:
            continue
        control = pruning.control_inputs(graph, kept, graph.control[name])
        if control != graph.control[name]:
            node = _rewired(node, graph.data[name], control)
        nodes.append(node)
    return graph_of(nodes, graph.library)


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
    constants: Dict[str, List[Any]] = {}
    for tensor, value in folded.values.items():
        name = tensor.node if tensor.slot == 0 else _free_name(graph, tensor)
        renamed[tensor] = Tensor(name, 0)
        node = const_node(name, value)
        node.input.extend(f"^{other}" for other in _order_of(graph, folded, tensor.node))
        constants.setdefault(tensor.node, []).append(node)
    nodes: List[Any] = []
    for name, node in graph.nodes.items():
        nodes.extend(constants.get(name, ()))
        if name in folded.nodes:
            if name not in {made.name for made in constants.get(name, ())}:
                nodes.append(_order_only(graph, name))
            continue
        data = [renamed.get(tensor, tensor) for tensor in graph.data[name]]
        changed = data != list(graph.data[name])
        nodes.append(_rewired(node, data, graph.control[name]) if changed else node)
    return graph_of(nodes, graph.library)


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


def _order_only(graph: Graph, name: str) -> Any:
    """Return a NoOp for a folded node that only folded nodes consumed: control edges may stay."""
    node = tf_compat.load().NodeDef(name=name, op="NoOp")
    node.input.extend(f"^{other}" for other in graph.control[name])
    return node
