"""While loops in which something is drawn: one iteration at a time."""

from __future__ import annotations

from lenet_exp.precision.analysis.frames import find_frames
from lenet_exp.precision.emulation.fast.region import acts_alone, run_order
from lenet_exp.precision.ir.graph import read_graph
from lenet_exp.precision.ir.op_defs import attribute
from lenet_exp.precision.ir.op_traits import ENTERS
from lenet_exp.precision.plan import Plan


def in_turn(plan: Plan) -> Plan:
    """Return a plan whose loops draw what they draw in the order of their iterations.

    A random operator whose inputs are the same in all iterations needn't wait for the one before:
    which number is which iteration's would depend on what else there is to compute.
    """
    graph = read_graph(plan.graph_def)
    drawn = [name for name in graph.nodes if acts_alone(graph, name)]
    if not drawn or not any(node.op in ENTERS for node in plan.graph_def.node):
        return plan
    frames = find_frames(graph, run_order(graph)).of
    inside = (frames.get(name, ()) for name in drawn)
    loops = {frame[:depth] for frame in inside for depth in range(1, len(frame) + 1)}
    made = type(plan.graph_def)()
    made.CopyFrom(plan.graph_def)
    for node in made.node:
        if node.op in ENTERS:
            frame = (*frames[node.name], attribute(node, "frame_name").s.decode())
            if frame in loops:
                node.attr["parallel_iterations"].i = 1
    return plan._replace(graph_def=made)
