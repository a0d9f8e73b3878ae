"""What of a graph the chip compiles: the operators that something fetched or written needs.

Source: precision-modes.md 7 (pruning) and trap 14: what is held only by control edges goes.
"""

from __future__ import annotations

from typing import Any, Dict, FrozenSet, Iterable, List, Sequence, Set, Tuple

from lenet_exp.errors import GraphError
from lenet_exp.precision.ir.graph import MERGES, ORDER_ONLY, SWITCHES, Graph, transparent, updates
from lenet_exp.precision.ir.graph import writes as node_writes

_LEFT_OVER = frozenset(("ZerosLike", "VarIsInitializedOp", "IsVariableInitialized"))


def fetched_nodes(graph: Graph, fetches: Sequence[str]) -> Tuple[str, ...]:
    """Return the nodes a run asks for: those named, or with no names those of `default_roots`.

    Raises:
        GraphError: a fetch that no node of the graph is.
    """
    if not fetches:
        return default_roots(graph)
    names = tuple(fetch.split(":", maxsplit=1)[0].lstrip("^") for fetch in fetches)
    for fetch, name in zip(fetches, names):
        if name not in graph.nodes:
            raise GraphError(f"fetch {fetch}", "the graph has no such node", _like(graph, name))
    return names


def _like(graph: Graph, name: str) -> str:
    last = name.rsplit("/", maxsplit=1)[-1].lower()
    near = [node for node in graph.nodes if last in node.lower()]
    return f"one of {', '.join(near[:5])}" if near else "the name of a node of this graph"


def default_roots(graph: Graph) -> Tuple[str, ...]:
    """Return what a run would fetch of a graph that says nothing about it.

    Of a training graph: the nodes without consumers from which an update of a variable (Apply*,
    Scatter*, AssignAdd ...) is reached, and those that reach no write at all. So initialisers
    and a Saver's nodes stay out, the loss and the accuracy come in. What `tf.gradients` leaves
    unused (a ZerosLike, an Identity behind a group) stays out too. Of any other graph: all
    nodes without consumers.
    """
    used = {tensor.node for inputs in graph.data.values() for tensor in inputs}
    used.update(name for names in graph.control.values() for name in names)
    sinks = [name for name in graph.nodes if name not in used]
    updating = {name for name, node in graph.nodes.items() if updates(node)}
    if not updating:
        return tuple(sinks)
    reach_update = _descendants(graph, updating)
    writing = {name for name, node in graph.nodes.items() if node_writes(node)}
    reach_write = _descendants(graph, writing)
    return tuple(
        name
        for name in sinks
        if name in reach_update or (name not in reach_write and not _left_over(graph, name))
    )


def _left_over(graph: Graph, name: str) -> bool:
    node = graph.nodes[name]
    gated = transparent(node) and bool(graph.control[name])
    return gated or not graph.data[name] or node.op in _LEFT_OVER


def _descendants(graph: Graph, names: Set[str]) -> Set[str]:
    after: Dict[str, List[str]] = {}
    for name in graph.nodes:
        for producer in _before(graph, name):
            after.setdefault(producer, []).append(name)
    return _closure(names, lambda name: after.get(name, ()))


def _before(graph: Graph, name: str) -> Iterable[str]:
    return (*(tensor.node for tensor in graph.data[name]), *graph.control[name])


def _closure(names: Iterable[str], step: Any) -> Set[str]:
    found = set(names)
    stack = list(found)
    while stack:
        for name in step(stack.pop()):
            if name not in found:
                found.add(name)
                stack.append(name)
    return found


class _Marks:
    """Which nodes stay. A node held only by a control edge is walked through, not kept."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.kept: Set[str] = set()
        self._walked: Set[str] = set()

    def keep(self, roots: Iterable[str]) -> None:
        stack = [(name, True) for name in roots]
        while stack:
            name, needed = stack.pop()
            needed = needed or self._gates(name)
            if name in self.kept or (not needed and name in self._walked):
                continue
            (self.kept if needed else self._walked).add(name)
            stack.extend((tensor.node, needed) for tensor in self.graph.data[name])
            stack.extend((producer, False) for producer in self.graph.control[name])

    def _gates(self, name: str) -> bool:
        """Return whether a control edge from this node says which branch or order is taken."""
        node = self.graph.nodes[name]
        if node.op in ORDER_ONLY or node.op in MERGES:  # of a Merge's branches one never runs
            return True
        return transparent(node) and pivot(self.graph, name)


def pivot(graph: Graph, name: str) -> bool:
    """Return whether an Identity stands behind a Switch: it runs only if its branch is taken."""
    tensor = graph.data[name][0]
    while transparent(graph.nodes[tensor.node]):
        tensor = graph.data[tensor.node][0]
    return graph.nodes[tensor.node].op in SWITCHES


def needed(graph: Graph, fetched: Sequence[str]) -> FrozenSet[str]:
    """Return the nodes that stay: needed by data by a fetch or by a write that a fetch reaches.

    Nodes that only order others (NoOp) and the pivots of a cond stay with them.
    """
    reached = _closure(fetched, lambda name: _before(graph, name))
    marks = _Marks(graph)
    marks.keep([*fetched, *(name for name in reached if node_writes(graph.nodes[name]))])
    return frozenset(marks.kept)


def control_inputs(graph: Graph, kept: FrozenSet[str], names: Iterable[str]) -> Tuple[str, ...]:
    """Return control inputs of a kept node without the pruned ones, keeping every order.

    A pruned node is replaced by the nodes in front of it.
    """
    found: Dict[str, None] = {}
    seen: Set[str] = set()
    stack = list(reversed(list(names)))
    while stack:
        name = stack.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in kept:
            found[name] = None
        else:
            stack.extend(reversed(list(_before(graph, name))))
    return tuple(found)
