"""A GraphDef as nodes and edges: one order of its nodes, one way to find what is reachable."""

from __future__ import annotations

import heapq
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Set, Tuple

from lenet_exp.errors import GraphError
from lenet_exp.precision.ir.builder import copied, set_inputs
from lenet_exp.precision.ir.names import Tensor, as_input, split
from lenet_exp.precision.ir.op_traits import BACK_EDGES, PASS_THROUGH, transparent


class Graph(NamedTuple):
    """Nodes by name in the GraphDef's order, their data inputs and their control inputs.

    `library` are the GraphDef's functions by name.
    """

    nodes: Dict[str, Any]
    data: Dict[str, Tuple[Tensor, ...]]
    control: Dict[str, Tuple[str, ...]]
    library: Mapping[str, Any]

    def put(self, name: str, node: Any, data: Tuple[Tensor, ...], control: Tuple[str, ...]) -> None:
        """Add a node to a graph that is being made."""
        self.nodes[name], self.data[name], self.control[name] = node, data, control

    def producers(self, name: str) -> Tuple[str, ...]:
        """Return the nodes in front of a node, by data and then by order."""
        return (*(tensor.node for tensor in self.data[name]), *self.control[name])

    def consumers(self, by_order: bool) -> Dict[str, List[str]]:
        """Return the nodes behind every node that has any, by data and, if asked, by order."""
        after: Dict[str, List[str]] = {}
        for name, inputs in self.data.items():
            before = self.producers(name) if by_order else [tensor.node for tensor in inputs]
            for producer in before:
                after.setdefault(producer, []).append(name)
        return after

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
            mark, producer, slot = split(text)
            if producer not in own or not (slot[1:] or "0").isdecimal():
                problem = f'its input "{text}" is no node of the graph'
                raise GraphError(name, problem, "the whole graph, not a part of it")
            if mark:
                control.append(own[producer])
            else:
                data.append(Tensor(own[producer], int(slot[1:] or 0)))
        if node.op in PASS_THROUGH and not data:
            raise GraphError(name, f"this {node.op} has no input", "a graph TensorFlow imports")
        graph.data[name], graph.control[name] = tuple(data), tuple(control)
    return graph


def rewired(node: Any, data: Iterable[Tensor], control: Iterable[str]) -> Any:
    """Return a copy of a NodeDef with other inputs."""
    copy = copied(node)
    set_inputs(copy, [*map(as_input, data), *(f"^{name}" for name in control)])
    return copy


def in_order(graph: Graph) -> Iterator[str]:
    """Yield the names so that producers by data come first; a loop's back edges are left out.

    Raises:
        GraphError: a cycle that isn't a while loop's.
    """
    back = {name for name, node in graph.nodes.items() if node.op in BACK_EDGES}
    before = {name: {t.node for t in inputs} - back for name, inputs in graph.data.items()}
    return topological_order(before)


def topological_order(before: Mapping[str, Set[str]]) -> Iterator[str]:
    """Yield the keys so that those in `before` of a key come first, else in the mapping's order.

    Raises:
        GraphError: a cycle.
    """
    names = list(before)
    waiting = [len(before[name]) for name in names]
    after: Dict[str, List[int]] = {}
    for index, name in enumerate(names):
        for producer in before[name]:
            after.setdefault(producer, []).append(index)
    ready = [index for index, count in enumerate(waiting) if not count]  # a heap: it is sorted
    done = 0
    while ready:
        name = names[heapq.heappop(ready)]
        done += 1
        yield name
        for consumer in after.get(name, ()):
            waiting[consumer] -= 1
            if not waiting[consumer]:
                heapq.heappush(ready, consumer)
    if done < len(names):
        stuck = next(name for name, count in zip(names, waiting) if count)
        raise GraphError(stuck, "it is part of a cycle", "a graph TensorFlow can run")


def reachable(begin: Iterable[str], step: Callable[[str], Iterable[str]]) -> Dict[str, None]:
    """Return what is reached from `begin`, itself included, as an ordered set, depth first."""
    found: Dict[str, None] = {}
    stack = [*begin][::-1]
    while stack:
        item = stack.pop()
        if item not in found:
            found[item] = None
            stack.extend(reversed(tuple(step(item))))
    return found
