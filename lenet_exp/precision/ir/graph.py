"""A GraphDef as nodes and edges, and what TensorFlow's operators are to the chip's compiler."""

from __future__ import annotations

import functools
from typing import Any, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Tuple

from lenet_exp import tf_compat
from lenet_exp.errors import GraphError
from lenet_exp.precision.plan import Port, Tensor

# Removed before selection. Source: precision-modes.md 1 and 3.3.
PASS_THROUGH = frozenset(
    ("Identity", "RefIdentity", "ReadVariableOp", "StopGradient", "PreventGradient", "Snapshot")
)
VARIABLES = frozenset(
    ("Variable", "VariableV2", "TemporaryVariable", "VarHandleOp", "AutoReloadVariable")
)
CONSTANTS = frozenset(("Const",))
# What the compiler calls Data: the type of the graph is kept (3.3).
DATA = frozenset(
    (
        "Placeholder",
        "PlaceholderV2",
        "PlaceholderWithDefault",
        "IteratorGetNext",
        "IteratorV2",
        "OneShotIterator",
        "Iterator",
    )
)
ORDER_ONLY = frozenset(("NoOp", "ControlTrigger"))
SWITCHES = frozenset(("Switch", "RefSwitch", "SwitchN", "_SwitchN"))
MERGES = frozenset(("Merge", "RefMerge"))
CONTROL_FLOW = (
    SWITCHES
    | MERGES
    | frozenset(
        ("Enter", "RefEnter", "Exit", "RefExit", "NextIteration", "RefNextIteration", "LoopCond")
    )
)
BACK_EDGES = frozenset(("NextIteration", "RefNextIteration"))
CALLS = frozenset(
    (
        "If",
        "StatelessIf",
        "While",
        "StatelessWhile",
        "PartitionedCall",
        "StatefulPartitionedCall",
    )
)


class Edge(NamedTuple):
    """A consumer of a node's output `slot`: data input `port.slot` of `port.node`."""

    slot: int
    port: Port


class Graph(NamedTuple):
    """Nodes by name in the GraphDef's order, their data inputs and their control inputs.

    `library` are the GraphDef's functions by name.
    """

    nodes: Dict[str, Any]
    data: Dict[str, Tuple[Tensor, ...]]
    control: Dict[str, Tuple[str, ...]]
    library: Mapping[str, Any]

    def consumers(self) -> Dict[str, List[Edge]]:
        """Return the data consumers of every node that has one."""
        found: Dict[str, List[Edge]] = {}
        for name, inputs in self.data.items():
            for index, tensor in enumerate(inputs):
                found.setdefault(tensor.node, []).append(Edge(tensor.slot, Port(name, index)))
        return found

    def source(self, tensor: Tensor) -> Tensor:
        """Return what a tensor is once Identity and variable reads have been removed."""
        while transparent(self.nodes[tensor.node]):
            tensor = self.data[tensor.node][0]
        return tensor


def read_graph(graph_def: Any) -> Graph:
    """Return a GraphDef's nodes and edges; it is not copied and not to be modified.

    Raises:
        GraphError: two nodes of one name, or an input that no node of the graph has.
    """
    functions = {function.signature.name: function for function in graph_def.library.function}
    return graph_of(graph_def.node, functions)


def graph_of(node_defs: Iterable[Any], functions: Mapping[str, Any]) -> Graph:
    """Return the graph of some NodeDefs; see `read_graph`."""
    nodes: Dict[str, Any] = {}
    for node in node_defs:
        if node.name in nodes:
            raise GraphError(node.name, "two nodes have this name", "a graph TensorFlow imports")
        nodes[node.name] = node
    # One string object per name: comparing copies made a large graph's operators dearer.
    own = {name: name for name in nodes}
    graph = Graph(nodes, {}, {}, functions)
    for name, node in nodes.items():
        data: List[Tensor] = []
        control: List[str] = []
        for text in node.input:
            producer, _, slot = text.lstrip("^").partition(":")
            if producer not in own or not (slot or "0").isdecimal():
                problem = f'its input "{text}" is no node of the graph'
                raise GraphError(name, problem, "the whole graph, not a part of it")
            if text.startswith("^"):
                control.append(own[producer])
            else:
                data.append(Tensor(own[producer], int(slot or 0)))
        if node.op in PASS_THROUGH and not data:
            raise GraphError(name, f"this {node.op} has no input", "a graph TensorFlow imports")
        graph.data[name], graph.control[name] = tuple(data), tuple(control)
    return graph


def stand_in(node: Any) -> str:
    """Return the GE type a stand-in of a vendor's operator was marked with, or ""."""
    return str(node.attr["_ge_type"].s.decode()) if "_ge_type" in node.attr else ""


def transparent(node: Any) -> bool:
    """Return whether the compiler removes this node and joins its ends."""
    return node.op in PASS_THROUGH and not stand_in(node)


def invisible(node: Any) -> bool:
    """Return whether this node is no operator: a source, an order, or removed."""
    return node.op in _INVISIBLE and not stand_in(node)


# The borders of a function's body, as `bodies` writes them.
_ENDS = frozenset(("_Arg", "_Retval"))
_INVISIBLE = PASS_THROUGH | VARIABLES | CONSTANTS | DATA | ORDER_ONLY | _ENDS

_EFFECT_FREE = (
    VARIABLES
    | DATA
    | frozenset(("ReadVariableOp", "VarIsInitializedOp", "IsVariableInitialized", "_Arg"))
    | frozenset(("RefIdentity", "RefSwitch", "RefMerge", "RefEnter", "RefExit"))
    | frozenset(("RefNextIteration", "RefSelect"))
)


def writes(node: Any) -> bool:
    """Return whether a node does something besides its outputs: it can't be pruned.

    Writers of ref and resource variables, the float status operators, and every other stateful
    operator but reads, sources and random numbers.
    """
    return _writes(stand_in(node) or node.op, node.op)


@functools.lru_cache(maxsize=None)
def _writes(vendor: str, op_type: str) -> bool:
    if vendor.lower().startswith("npu") and "floatstatus" in vendor.lower():
        return True
    if op_type in _EFFECT_FREE:
        return False
    definition = tf_compat.op_def(op_type)
    if definition is None:
        return False
    if any(arg.is_ref for arg in definition.input_arg):
        return True
    return bool(definition.is_stateful) and not _is_random(op_type, definition)


def _is_random(op_type: str, definition: Any) -> bool:
    seeds = {"seed", "seed2"} & {attr.name for attr in definition.attr}
    return len(seeds) == 2 and "Dataset" not in op_type


def updates(node: Any) -> bool:
    """Return whether a node changes a variable that it also reads: a training step's work."""
    name = str(node.op)
    name = name[len("Resource") :] if name.startswith("Resource") else name
    return name.startswith(("Apply", "SparseApply", "Scatter", "AssignAdd", "AssignSub"))


def in_order(graph: Graph) -> Iterator[str]:
    """Yield the names so that producers come first; a loop's back edges are left out.

    Raises:
        GraphError: a cycle that isn't a while loop's.
    """
    waiting = {}
    after: Dict[str, List[str]] = {}
    for name, inputs in graph.data.items():
        before = {t.node for t in inputs if graph.nodes[t.node].op not in BACK_EDGES}
        waiting[name] = len(before)
        for producer in before:
            after.setdefault(producer, []).append(name)
    ready = [name for name, count in waiting.items() if count == 0]
    while ready:
        name = ready.pop()
        yield name
        for consumer in after.get(name, ()):
            waiting[consumer] -= 1
            if not waiting[consumer]:
                ready.append(consumer)
    for name, count in waiting.items():
        if count > 0:
            raise GraphError(name, "it is part of a cycle", "a graph TensorFlow can run")
