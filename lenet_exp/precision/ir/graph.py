"""A GraphDef as nodes and edges: one order of its nodes, one way to find what is reachable."""

from __future__ import annotations

import heapq
import re
from typing import (
    Any,
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Set,
    Tuple,
    Union,
)

from lenet_exp.errors import GraphError
from lenet_exp.precision.ir.builder import copied, set_inputs
from lenet_exp.precision.ir.names import Tensor, as_input, split
from lenet_exp.precision.ir.op_defs import IMPORTED
from lenet_exp.precision.ir.op_traits import BACK_EDGES, transparent

MOST_NODES = 130_000  # each takes some seven kilobytes of memory
LONGEST_NAME = 10_000  # a function's nodes have the names of all calls around them in front
_SLOT = re.compile(r"(?::[0-9]{1,6})?")
_RUNS, _CYCLE = "a graph TensorFlow can run", "it is part of a cycle"


class Sources(Dict[str, Tensor]):
    """What `Graph.source` found so far, by node: it changes nothing that a graph is."""

    def __repr__(self) -> str:
        return "Sources()"


class Graph(NamedTuple):
    """Nodes by name in the GraphDef's order, their data inputs and their control inputs.

    `library` are the GraphDef's functions by name; `producer` is the version of the TensorFlow
    that wrote it, 0 if it does not say. `sources` keeps what `source` found.
    """

    nodes: Dict[str, Any]
    data: Dict[str, Tuple[Tensor, ...]]
    control: Dict[str, Tuple[str, ...]]
    library: Mapping[str, Any]
    producer: int
    sources: Sources

    @classmethod
    def empty(cls, library: Mapping[str, Any], producer: int) -> Graph:
        """Return a graph that is to be made."""
        return cls({}, {}, {}, library, producer, Sources())

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
        """Return what a tensor is once Identity and variable reads have been removed.

        Raises:
            GraphError: they are a cycle.
        """
        if not transparent(self.nodes[tensor.node]):
            return tensor
        passed: Dict[str, None] = {}
        while transparent(self.nodes[tensor.node]):
            if tensor.node in passed:
                raise GraphError(tensor.node, _CYCLE, _RUNS)
            passed[tensor.node] = None
            tensor = self.sources.get(tensor.node) or self.data[tensor.node][0]
        self.sources.update(dict.fromkeys(passed, tensor))
        return tensor


def read_graph(graph_def: Any) -> Graph:
    """Return a GraphDef's nodes and edges; it is not copied and not to be modified.

    Raises:
        GraphError: two nodes of one name, or an input that no node of the graph has.
    """
    functions = {function.signature.name: function for function in graph_def.library.function}
    return graph_of(graph_def.node, functions, max(0, graph_def.versions.producer))


def graph_of(node_defs: Iterable[Any], functions: Mapping[str, Any], producer: int) -> Graph:
    """Return the graph of some NodeDefs; see `read_graph`."""
    graph = Graph.empty(functions, producer)
    for node in node_defs:
        _check_name(graph, node)
        graph.nodes[node.name] = node
    # One object per name and tensor: comparing copies made a large graph's operators dearer, and
    # where all updates come before every gradient there are a hundred edges a node.
    own = {name: name for name in graph.nodes}
    read: Dict[str, Union[str, Tensor]] = {}
    for name, node in graph.nodes.items():
        data: List[Tensor] = []
        control: List[str] = []
        for text in node.input:
            edge = read.get(text)
            if edge is None:
                edge = read[text] = _edge(own, name, text)
            if isinstance(edge, str):
                control.append(edge)
            else:
                data.append(edge)
        if not data and transparent(node):
            raise GraphError(name, f"this {node.op} has no input", IMPORTED)
        graph.data[name], graph.control[name] = tuple(data), tuple(control)
    return graph


def _edge(own: Mapping[str, str], name: str, text: str) -> Union[str, Tensor]:
    """Return what an input of the node `name` says: the node of an order, or a tensor."""
    mark, before, slot = split(text)
    if before not in own or not _SLOT.fullmatch(slot):
        problem = f'its input "{text[:LONGEST_NAME]}" is no node of the graph'
        raise GraphError(name, problem, "the whole graph, not a part of it")
    return own[before] if mark else Tensor(own[before], int(slot[1:] or 0))


def _check_name(graph: Graph, node: Any) -> None:
    if node.name in graph.nodes:
        raise GraphError(node.name, "two nodes have this name", IMPORTED)
    if not 0 < len(node.name) <= LONGEST_NAME:
        problem = f"the name of this {node.op} has {len(node.name)} characters"
        raise GraphError(f"{node.name[:60]}...", problem, f"1 to {LONGEST_NAME}")
    if len(graph.nodes) >= MOST_NODES:
        raise GraphError("the graph", f"it has more than {MOST_NODES} nodes", "a part of it")


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


def topological_order(before: Mapping[str, Set[str]], problem: str = _CYCLE) -> Iterator[str]:
    """Yield the keys so that those in `before` of a key come first, else in the mapping's order.

    Raises:
        GraphError: a cycle, which is the `problem` of one of its keys.
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
        raise GraphError(stuck, problem, _RUNS)


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
