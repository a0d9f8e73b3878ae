"""What of a graph the chip compiles: the operators that something fetched or written needs.

Source: precision-modes.md 7 (pruning) and trap 14: what is held only by control edges goes.
"""

from __future__ import annotations

from typing import FrozenSet, Iterable, Iterator, Mapping, Sequence, Tuple

from lenet_exp.errors import GraphError
from lenet_exp.precision.analysis.step_sections import is_backward
from lenet_exp.precision.ir.graph import Graph, reachable, rewired
from lenet_exp.precision.ir.names import Tensor, node_of
from lenet_exp.precision.ir.op_traits import (
    ENTERS,
    EXITS,
    LEFT_OVER,
    MERGES,
    ORDER_ONLY,
    PLAIN_WRITES,
    STARTING,
    SWITCHES,
    VARIABLES,
    transparent,
    updates,
    writes,
)
from lenet_exp.precision.planning.compilation import Compilation


def prune(state: Compilation) -> Compilation:
    """Leave out what neither a fetch nor a write that a fetch reaches needs."""
    kept = needed(state.graph, state.fetched)
    if len(kept) == len(state.graph.nodes):
        return state
    made = Graph.empty(state.graph.library, state.graph.producer)
    for name, node in state.graph.nodes.items():
        if name in kept:
            data, control = state.graph.data[name], state.graph.control[name]
            left = _kept_order(state.graph, kept, control) if control else ()
            made.put(name, node if left == control else rewired(node, data, left), data, left)
    return state._replace(graph=made)


def fetched_nodes(graph: Graph, fetches: Sequence[str]) -> Tuple[str, ...]:
    """Return the nodes a run asks for: those named, or with no names those of `default_roots`.

    Raises:
        GraphError: a fetch that no node of the graph is.
    """
    if not fetches:
        return default_roots(graph)
    names = tuple(node_of(fetch) for fetch in fetches)
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
    Scatter*, AssignAdd, an Assign of what its variable was before ...) is reached, and those
    that reach no write at all. So initialisers and a Saver's nodes stay out, the loss and the
    accuracy come in. What `tf.gradients` leaves unused (the gradient of an image, a ZerosLike,
    an Identity behind a group), pivots of branches and reads of variables stay out too. Of any
    other graph: the nodes without consumers, but for initialisers and a Saver's; of a graph that
    has only these, all.
    """
    behind = graph.consumers(by_order=True)
    sinks = [name for name in graph.nodes if name not in behind]
    nodes = graph.nodes.items()
    updating = [name for name, node in nodes if updates(node) or _assigns_anew(graph, name)]
    after_update = _behind(behind, updating)
    if not updating:
        after_start = _behind(behind, [name for name, node in nodes if node.op in STARTING])
        left = (name for name in sinks if name not in after_start)
        return tuple(name for name in left if graph.nodes[name].op not in LEFT_OVER) or (*sinks,)
    after_write = _behind(behind, [name for name, node in nodes if writes(node)])
    return tuple(
        name
        for name in sinks
        if not _dead_end(graph, name)
        and (name in after_update or (name not in after_write and not _left_over(graph, name)))
    )


def _behind(behind: Mapping[str, Sequence[str]], names: Iterable[str]) -> Mapping[str, None]:
    return reachable(names, lambda name: behind.get(name, ()))


def _assigns_anew(graph: Graph, name: str) -> bool:
    """Return whether a node assigns to a variable what is computed of its own value.

    So do updates that are written by hand; an initialiser does not read its variable.
    """
    if graph.nodes[name].op not in PLAIN_WRITES or len(graph.data[name]) != 2:
        return False
    target, value = (tensor.node for tensor in graph.data[name])
    variable = next(_variables_behind(graph, target), None)
    return variable is not None and variable in _variables_behind(graph, value)


def _variables_behind(graph: Graph, name: str) -> Iterator[str]:
    """Yield the variables whose values a node is computed of, those of first inputs first."""
    seen, stack = set(), [name]
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            if graph.nodes[node].op in VARIABLES:
                yield node
            elif graph.nodes[node].op not in LEFT_OVER:
                stack.extend(tensor.node for tensor in reversed(graph.data[node]))


def _dead_end(graph: Graph, name: str) -> bool:
    """Return whether a node without consumers is a gradient nobody uses, or a branch's pivot."""
    node = graph.nodes[name]
    pivot = transparent(node) and graph.nodes[graph.source(Tensor(name, 0)).node].op in SWITCHES
    return pivot or (is_backward(name) and not writes(node))


def _left_over(graph: Graph, name: str) -> bool:
    node = graph.nodes[name]
    gated = transparent(node) and bool(graph.control[name])
    unused = gated or not graph.data[name] or node.op in LEFT_OVER
    return unused or graph.nodes[graph.source(Tensor(name, 0)).node].op in VARIABLES


def needed(graph: Graph, fetched: Sequence[str]) -> FrozenSet[str]:
    """Return the nodes that stay: needed by data by a fetch or by a write that a fetch reaches.

    Nodes that only order others (NoOp), the pivots of a cond and the ends of a loop stay with
    them. Any other node that is held only by a control edge goes.
    """
    before = reachable(fetched, graph.producers)
    roots = [name for name in before if writes(graph.nodes[name]) or _gates(graph, name)]
    kept = reachable([*fetched, *roots], lambda name: [tensor.node for tensor in graph.data[name]])
    return frozenset(kept)


def _gates(graph: Graph, name: str) -> bool:
    """Return whether a node stays for its control edges: they say which branch or order it is."""
    node = graph.nodes[name]
    # Of a Merge's branches one never runs; nothing else outside a loop waits for its end.
    if node.op in ORDER_ONLY | MERGES | EXITS:
        return True
    # An Identity that runs only if its branch is taken: the pivot of a cond.
    return transparent(node) and graph.nodes[graph.source(Tensor(name, 0)).node].op in SWITCHES


def _kept_order(graph: Graph, kept: FrozenSet[str], names: Sequence[str]) -> Tuple[str, ...]:
    """Return control inputs of a kept node without the pruned ones, keeping every order.

    A pruned node is replaced by the nodes in front of it, but for those outside its loop.
    """
    if kept.issuperset(names):
        return tuple(dict.fromkeys(names))

    def before(name: str) -> Tuple[str, ...]:
        ends = name in kept or graph.nodes[name].op in ENTERS
        return () if ends else graph.producers(name)

    found = reachable(names, before)
    return tuple(name for name in found if name in kept)
