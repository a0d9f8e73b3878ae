"""Which while loops a node is in: the frames of control flow of version 1.

A loop is no node. Enter begins its frame and names it, Exit leaves it, and what takes a tensor or
an order from inside is inside. TensorFlow runs no node whose inputs are in different frames.
"""

from __future__ import annotations

from typing import Dict, Iterable, Mapping, NamedTuple, Sequence, Tuple

from lenet_exp.precision.ir.graph import Graph
from lenet_exp.precision.ir.op_defs import attribute
from lenet_exp.precision.ir.op_traits import BACK_EDGES, ENTERS, EXITS, LOOP_CONDITIONS

Frame = Tuple[str, ...]  # the names of the loops, outermost first; () is the graph itself


class Loop(NamedTuple):
    """A while loop: its LoopCond, "" if it has none, and how many iterations may run at once."""

    condition: str
    parallel_iterations: int


class Frames(NamedTuple):
    """The frame that each node's inputs are in, and the loop of each frame but ()."""

    of: Dict[str, Frame]
    loops: Dict[Frame, Loop]


def find_frames(graph: Graph, order: Iterable[str]) -> Frames:
    """Return the frames of a graph; `order` are its names, producers first but for back edges."""
    of: Dict[str, Frame] = {}
    behind: Dict[str, Frame] = {}  # the frames that their outputs are in
    loops: Dict[Frame, Loop] = {}
    for name in order:
        node = graph.nodes[name]
        around = [
            behind[before]
            for before in graph.producers(name)
            if graph.nodes[before].op not in BACK_EDGES
        ]
        frame = of[name] = behind[name] = max(around, key=len, default=())
        if node.op in ENTERS:
            inside = behind[name] = (*frame, attribute(node, "frame_name").s.decode())
            loops.setdefault(inside, Loop("", attribute(node, "parallel_iterations").i))
        elif node.op in EXITS:
            behind[name] = frame[:-1]
        elif node.op in LOOP_CONDITIONS and frame:
            loops[frame] = loops[frame]._replace(condition=name)
    return Frames(of, loops)


def after_entries(graph: Graph, order: Sequence[str], of: Mapping[str, Frame]) -> Graph:
    """Return a graph in which an Exit also waits for each Enter of its loop that it needs.

    Through a back edge a value comes from the iteration before. What follows the edges in one
    `order`, as `find_frames` takes it, would miss that; `of` are each node's frames. For loops
    that are in no other: inside of them no order is made.
    """
    entries = [name for name in order if graph.nodes[name].op in ENTERS and not of[name]]
    inside = [name for name in order if of[name]]
    found = {name: 1 << index for index, name in enumerate(entries)}  # sets of them, as bits
    waiting = bool(inside)
    while waiting:
        waiting = False
        for name in inside:
            needed = found.get(name, 0)
            for before in graph.producers(name):
                needed |= found.get(before, 0)
            if needed != found.get(name, 0):
                found[name], waiting = needed, True
    control = dict(graph.control)
    for name in inside:
        if graph.nodes[name].op in EXITS and len(of[name]) == 1:
            needed = found.get(name, 0)
            more = (each for index, each in enumerate(entries) if needed >> index & 1)
            control[name] = (*control[name], *more)
    return graph._replace(control=control)
