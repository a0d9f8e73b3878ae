"""What is known of a graph before it runs: shapes, an order, and which nodes only compute.

These stand before anything is written, and in no branch.
"""

from __future__ import annotations

from typing import Any, Dict, FrozenSet, List, Mapping, Set, Tuple

from lenet_exp.precision.analysis.frames import Frame
from lenet_exp.precision.analysis.shapes import all_shapes
from lenet_exp.precision.emulation.exact import float_status
from lenet_exp.precision.ir.graph import Graph
from lenet_exp.precision.ir.names import as_input, node_of
from lenet_exp.precision.ir.op_traits import (
    BACK_EDGES,
    CONTROL_FLOW,
    DATA,
    MERGES,
    READS,
    SWITCHES,
    VARIABLES,
    writes,
)
from lenet_exp.precision.target.modes import Generation

Shape = Tuple[int, ...]


def known_shapes(graph: Graph, generation: Generation) -> Dict[str, Shape]:
    """Return the shapes of a graph's tensors, by their names, where they are known."""
    found = all_shapes(graph, generation).items()
    return {as_input(tensor): shape for tensor, shape in found if shape is not None}


def computing_region(graph: Graph, order: List[str], frames: Mapping[str, Frame]) -> FrozenSet[str]:
    """Return the nodes that may be computed twice.

    `order` are the graph's names as `run_order` returns them, `frames` the while loops they are in.
    """
    behind: Dict[str, bool] = {}  # does it come after a write?
    depth: Dict[str, int] = {}  # how many branches is it in?
    for name in order:
        node = graph.nodes[name]
        before = [node_of(text) for text in node.input]
        has_effect = bool(float_status.kind(node)) or writes(node)
        behind[name] = has_effect or any(behind.get(each, False) for each in before)
        inside = max((depth.get(each, 0) for each in before), default=0)
        depth[name] = max(0, inside + (node.op in SWITCHES) - (node.op in MERGES))
    found = frozenset(
        name
        for name in order
        if not (behind[name] or depth[name] or frames[name]) and _computes(graph, graph.nodes[name])
    )
    return _without_returns(graph, order, found)


def _without_returns(graph: Graph, order: List[str], region: FrozenSet[str]) -> FrozenSet[str]:
    """Return a region without what stands behind something that is itself behind the region.

    Computed as one, they would wait for each other.
    """
    kept: Set[str] = set()
    after: Set[str] = set()
    for name in order:
        before = {node_of(text) for text in graph.nodes[name].input}
        if name in region and before.isdisjoint(after):
            kept.add(name)
        elif not (before.isdisjoint(kept) and before.isdisjoint(after)):
            after.add(name)
    return frozenset(kept)


def run_order(graph: Graph) -> List[str]:
    """Return the names so that what a node waits for, control inputs included, comes first.

    A while loop's back edges are left out.
    """
    after = graph.consumers(by_order=True)
    back = {name for name, node in graph.nodes.items() if node.op in BACK_EDGES}
    waiting = {
        name: sum(each not in back for each in graph.producers(name)) for name in graph.nodes
    }
    ready = [name for name, count in waiting.items() if not count]
    for name in ready:  # grows on the way
        for each in after.get(name, ()) if name not in back else ():
            waiting[each] -= 1
            if not waiting[each]:
                ready.append(each)
    return ready


def _computes(graph: Graph, node: Any) -> bool:
    """Return whether a node may be computed twice; a source is read once, for both."""
    if not node.input or node.op in CONTROL_FLOW | VARIABLES | DATA:
        return False
    reads = node.op in READS
    return not (reads and any(graph.nodes[t.node].op in VARIABLES for t in graph.data[node.name]))
