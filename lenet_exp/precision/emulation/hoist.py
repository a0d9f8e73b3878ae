"""Loop-invariant code motion: what only moves values that enter a loop, in front of the loop.

TensorFlow has a resource variable's handle enter, and reads, splits and transposes the variable in
each iteration (Keras): as often would its value be rounded.
"""

from __future__ import annotations

from typing import Any, Dict, Iterable, Iterator, List, Mapping, Sequence, Set, Tuple

from lenet_exp.precision.analysis.frames import Frame, Frames, find_frames
from lenet_exp.precision.emulation.exact.context import Lookup, look_up, source
from lenet_exp.precision.emulation.exact.rewrite import output_dtypes, rounded_outputs
from lenet_exp.precision.emulation.fast.region import changes_variable, is_state, run_order
from lenet_exp.precision.ir.builder import Nodes, copied, data_inputs, set_attribute, set_inputs
from lenet_exp.precision.ir.graph import Graph, reachable, read_graph
from lenet_exp.precision.ir.names import Port, Tensor, as_input, node_of, slot_of, split
from lenet_exp.precision.ir.op_defs import attribute
from lenet_exp.precision.ir.op_traits import (
    CONSTANTS,
    ENTERS,
    EXACT,
    LAYOUTS,
    LOOP_CONDITIONS,
    PASS_THROUGH,
    PLAIN_WRITES,
    SWITCHES,
    VARIABLES,
)
from lenet_exp.precision.plan import CastEdge, Plan

_MOVED = (EXACT | LAYOUTS | PASS_THROUGH) - PLAIN_WRITES
_THROUGH = PASS_THROUGH | SWITCHES | ENTERS
_STORES = {"StackV2", "TensorArrayV3"}  # what a loop keeps of its iterations
_UNKNOWN = ""  # a variable that can't be told


def hoisted(plan: Plan) -> Plan:
    """Return a plan with the same rows whose loops only move what is different in each iteration.

    A variable that is written in a loop, or in front of it, is read where it was. What a loop puts
    on a stack for its gradient and is always the same, the gradient takes from in front of both.
    """
    graph = read_graph(plan.graph_def)
    order = run_order(graph)
    frames = find_frames(graph, order)
    found = _invariants(plan, graph, frames, order) if frames.loops else set()
    if not found:
        return plan
    made = type(plan.graph_def)()
    made.CopyFrom(plan.graph_def)
    del made.node[:]
    lookup = look_up(plan)
    made.node.extend(_moved(graph, frames, _popped(graph, lookup, found), found))
    casts = (*plan.casts, *_casts(lookup, made, found))
    return hoisted(plan._replace(graph_def=made, casts=casts))  # out of the loop around it, too


def _invariants(plan: Plan, graph: Graph, frames: Frames, order: Iterable[str]) -> Set[str]:
    """Return the nodes of loops that only move values, the same in all iterations."""
    reads = [edge.reads for edge in plan.casts] + [cast.reads for cast in plan.removed_casts]
    kept = {tensor.node for tensor in reads if tensor is not None}
    kept |= {edge.consumer for edge in plan.casts if edge.removed or edge.on_host}
    kept |= {name for row in plan.operators if row.parts[1:] for name in row.parts}
    written = _written(graph, frames)
    found: Set[str] = set()
    for name in order:
        node, frame = graph.nodes[name], frames.of[name]
        if not frame or node.op not in _MOVED or name in kept or not _always_runs(graph, name):
            continue
        if node.op == "ReadVariableOp":
            own = {_UNKNOWN, _variable(graph, node.input[0])}
            if own & written.get(frame, set()):
                continue
        before = [tensor.node for tensor in graph.data[name]]
        entering = {each for each in before if each in found or _enters(graph, each)} - kept
        others = set(before).difference(entering)
        if entering and all(
            graph.nodes[each].op in CONSTANTS and _always_runs(graph, each) for each in others
        ):
            found.add(name)
    return found


def _enters(graph: Graph, name: str) -> bool:
    node = graph.nodes[name]
    return bool(node.op == "Enter" and attribute(node, "is_constant").b)


def _always_runs(graph: Graph, name: str) -> bool:
    """Return whether a node of a loop waits for nothing but the beginning of an iteration."""
    begins = [graph.nodes[each] for each in graph.control[name]]
    switches = [graph.nodes[node_of(node.input[0])] for node in begins if node.op == "Identity"]
    return len(switches) == len(begins) and all(
        node.op in SWITCHES and graph.nodes[node_of(node.input[1])].op in LOOP_CONDITIONS
        for node in switches
    )


def _variable(graph: Graph, text: str) -> str:
    name = node_of(source(graph.nodes, text, _THROUGH))
    return name if graph.nodes[name].op in VARIABLES | _STORES else _UNKNOWN


def _written(graph: Graph, frames: Frames) -> Dict[Frame, Set[str]]:
    """Return the variables that loops read and that were, or may have been, written there."""
    looped = [node for name, node in graph.nodes.items() if frames.of[name]]
    read = {_variable(graph, node.input[0]) for node in looped if node.op == "ReadVariableOp"}
    writers: Dict[str, List[str]] = {}
    for name in graph.nodes:
        if read and changes_variable(graph, name):
            states = [tensor for tensor in graph.data[name] if is_state(graph, tensor)]
            for variable in {_variable(graph, as_input(tensor)) for tensor in states}:
                if variable in read or variable == _UNKNOWN:
                    writers.setdefault(variable, []).append(name)
    after = graph.consumers(by_order=True)
    found: Dict[Frame, Set[str]] = {}
    for variable, names in writers.items():
        for behind in reachable(names, lambda each: after.get(each, ())):
            found.setdefault(frames.of[behind], set()).add(variable)
    return found


def _popped(graph: Graph, lookup: Lookup, found: Set[str]) -> Dict[str, Tensor]:
    """Return what each pop of a stack gives, where all that is pushed on it is one of `found`."""
    pushed: Dict[str, Set[Tensor]] = {}
    pops: Dict[str, str] = {}
    for name, node in graph.nodes.items():
        if node.op in ("StackPushV2", "StackPopV2"):
            stack = source(graph.nodes, node.input[0], _THROUGH)
            if node.op == "StackPopV2":
                pops[name] = stack
            else:
                pushed.setdefault(stack, set()).add(graph.data[name][1])
    ports = [name for name, _ in lookup.casts if name in graph.nodes]
    pushes = [graph.nodes[name] for name in ports if graph.nodes[name].op == "StackPushV2"]
    cast = {source(graph.nodes, node.input[0], _THROUGH) for node in pushes}
    given = {stack: min(tensors) for stack, tensors in pushed.items() if len(tensors) == 1}
    return {
        name: given[stack]
        for name, stack in pops.items()
        if stack in given and stack not in cast and given[stack].node in found
    }


def _moved(
    graph: Graph, frames: Frames, popped: Mapping[str, Tensor], found: Set[str]
) -> List[Any]:
    """Return a graph's nodes with those that were found in front of their loops."""
    nodes = Nodes(graph.nodes)
    enters = {_inside(frames, node): node for node in graph.nodes.values() if node.op == "Enter"}
    entered: Dict[Tuple[Frame, Tensor], str] = {}

    def outside(text: str) -> str:
        node = graph.nodes[node_of(text)]
        if node.op == "Enter":
            return str(node.input[0])
        return _copy(nodes, node, []) if node.op in CONSTANTS else text

    def inside(text: str) -> str:
        mark, name, _ = split(text)
        tensor = Tensor(name, slot_of(text)) if mark or name not in popped else popped[name]
        if tensor.node not in found or frames.of[name][:-1] != frames.of[tensor.node][:-1]:
            return text
        key = (frames.of[name], tensor)
        if key not in entered:
            kind = output_dtypes(graph.nodes[tensor.node])[tensor.slot]
            entered[key] = _copy(
                nodes, enters[key[0]], [as_input(tensor)], T=kind, is_constant=True
            )
        return mark + entered[key]

    for node in graph.nodes.values():
        copy = copied(node)
        data = data_inputs(node.input)
        set_inputs(
            copy, [*map(outside, data)] if node.name in found else [*map(inside, node.input)]
        )
        nodes.made.append(copy)
    return nodes.made


def _casts(lookup: Lookup, made: Any, found: Set[str]) -> Iterator[CastEdge]:
    """Return the Casts to float16 that what was moved missed: where it, or a variable, entered."""
    names = [name for name in found if lookup.nodes[name].op == "ReadVariableOp"]
    reads = {name for name in names if rounded_outputs(lookup, lookup.nodes[name], shortcuts=True)}
    for node in made.node:
        before = data_inputs(lookup.nodes[node.name].input) if node.name in found else ()
        for slot, text in enumerate(data_inputs(node.input)):
            enter = node_of(before[slot]) if before else ""
            entered = (enter, 0) in lookup.casts and lookup.nodes[enter].op == "Enter"
            if node_of(text) in reads or entered:
                given, port = Tensor(node_of(text), slot_of(text)), Port(node.name, slot)
                yield CastEdge(given, node.name, slot, port, "float32", "float16", on_host=False)


def _inside(frames: Frames, enter: Any) -> Frame:
    return (*frames.of[enter.name], attribute(enter, "frame_name").s.decode())


def _copy(nodes: Nodes, node: Any, inputs: Sequence[str], **attributes: Any) -> str:
    """Append a copy of a node with other inputs and attributes; return its name."""
    copy = copied(node)
    copy.name = nodes.free(f"{node.name}/outside")
    set_inputs(copy, inputs)
    for key, value in attributes.items():
        set_attribute(copy, key, value)
    nodes.made.append(copy)
    return str(copy.name)
