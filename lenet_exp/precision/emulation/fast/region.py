"""What is known of a graph before it runs: shapes, an order, and what may be computed twice."""

from __future__ import annotations

import functools
from enum import Enum
from typing import Any, Container, Dict, List, Sequence, Set, Tuple

from lenet_exp import tf_compat
from lenet_exp.precision.analysis.shapes import all_shapes
from lenet_exp.precision.emulation.exact import float_status
from lenet_exp.precision.emulation.exact.context import Lookup, source, tensors_read
from lenet_exp.precision.emulation.exact.rewrite import casts_on, output_dtypes, rounded_outputs
from lenet_exp.precision.emulation.fast.safety import safe
from lenet_exp.precision.ir.builder import data_inputs
from lenet_exp.precision.ir.functions import calls
from lenet_exp.precision.ir.graph import Graph
from lenet_exp.precision.ir.names import Tensor, as_input, node_of
from lenet_exp.precision.ir.op_traits import (
    BACK_EDGES,
    CALLS,
    CONSTANTS,
    CONTROL_FLOW,
    DATA,
    FUNCTION_ENDS,
    LOOP_CONDITIONS,
    MERGES,
    OF_SHAPES,
    ORDER_ONLY,
    READS,
    SWITCHES,
    VARIABLE_GATHERS,
    VARIABLES,
    stand_in,
    writes,
)
from lenet_exp.precision.target.modes import Generation

Shape = Tuple[int, ...]

# Of a variable, without changing it.
_LOOKS = READS | VARIABLE_GATHERS | {"IsVariableInitialized", "VarIsInitializedOp", "VariableShape"}
# What a random generator's state is taken from: no other operator reads that.
_GENERATORS = ("Rng", "StatefulRandom", "StatefulStandard", "StatefulTruncated", "StatefulUniform")
_UNFED = frozenset(("Placeholder", "PlaceholderV2"))  # without a default


class Role(Enum):
    """How a node is computed.

    OUTSIDE: by itself, to the letter. ONCE: among the fast ones, and the letter takes its value.
    DRAWN: likewise, and both round that. TWICE: fast, and once more to the letter. LATE: likewise,
    for its place in the order alone: both give the same.
    """

    OUTSIDE = "outside"
    ONCE = "once"
    DRAWN = "drawn"
    LATE = "late"
    TWICE = "twice"

    @property
    def altered(self) -> bool:
        """Whether the fast value may be another than the letter's."""
        return self in (Role.DRAWN, Role.TWICE)

    @property
    def repeated(self) -> bool:
        """Whether the letter has a node of its own for it."""
        return self.altered or self is Role.LATE


def known_shapes(graph: Graph, generation: Generation) -> Dict[str, Shape]:
    """Return the shapes of a graph's tensors, by their names, where they are known."""
    found = all_shapes(graph, generation).items()
    return {as_input(tensor): shape for tensor, shape in found if shape is not None}


def find_roles(
    lookup: Lookup, graph: Graph, order: Sequence[str], apart: Container[str] = ()
) -> Dict[str, Role]:
    """Return each node's role.

    OUTSIDE are branches, what comes after a variable was written, and what is `apart`. Of what
    happens once a step, such as a random number, so is what takes a value that the fast path may
    have wrong: it gets the one that was chosen.

    Args:
        lookup: of the plan that `graph` is of.
        graph: the plan's.
        order: its names as `run_order` returns them.
        apart: more nodes that are OUTSIDE.
    """
    behind: Set[str] = set()  # what comes after a write
    depth: Dict[str, int] = {}  # how many branches is it in?
    roles: Dict[str, Role] = {}
    late: Set[str] = set()  # what waits for something computed twice
    for name in order:
        node, before = graph.nodes[name], graph.producers(name)
        has_effect = bool(float_status.kind(node)) or changes_variable(graph, name)
        if has_effect or not behind.isdisjoint(before):
            behind.add(name)
        inside = max((depth.get(each, 0) for each in before), default=0)
        depth[name] = max(0, inside + _branches(graph, name))
        if name in behind or depth[name] or name in apart or not _is_operation(graph, name):
            roles[name] = Role.OUTSIDE
        else:
            waits = any(roles[each].repeated for each in graph.control[name] if each in roles)
            if waits or not late.isdisjoint(before):
                late.add(name)
            roles[name] = _role(lookup, graph, name, roles, name in late)
    return roles


def _branches(graph: Graph, name: str) -> int:
    """Return 1 where a branch begins, -1 where it ends; 0 for the rest, a loop's ends included."""
    op, before = graph.nodes[name].op, {graph.nodes[each].op for each in graph.producers(name)}
    begins = op in SWITCHES and before.isdisjoint(LOOP_CONDITIONS)
    return int(begins) - int(op in MERGES and before.isdisjoint(BACK_EDGES))


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


def brings_values(graph: Graph, name: str) -> bool:
    """Return whether a node gives what a run has to be fed, or what is another in each run."""
    node = graph.nodes[name]
    return node.op in _UNFED or (
        happens_once(graph, name)
        and node.op not in VARIABLES | _LOOKS
        and not changes_variable(graph, name)
    )


def happens_once(graph: Graph, name: str) -> bool:
    """Return whether a node does or sees something besides its inputs' values.

    Random numbers, queues, tables, Python's functions, summaries and prints, and whatever takes
    or gives a variable itself.
    """
    node = graph.nodes[name]
    if tf_compat.op_def(node.op) is None or _all_happen_once(node.op) or stand_in(node):
        return True
    return tf_compat.load().resource in output_dtypes(node) or any(
        is_state(graph, tensor) for tensor in graph.data[name]
    )


@functools.lru_cache(maxsize=None)
def _all_happen_once(op: str) -> bool:
    """Return whether every node of a registered operator happens once."""
    definition = tf_compat.op_def(op)
    return (
        definition.is_stateful
        or any(arg.is_ref for arg in (*definition.input_arg, *definition.output_arg))
        # FractionalMaxPool: stateless by name, with a generator for each of its nodes
        or any(attr.name == "seed2" for attr in definition.attr)
    )


def acts_alone(graph: Graph, name: str) -> bool:
    """Return whether a node does or sees something that no other node hands to it."""
    handed = any(is_state(graph, tensor) for tensor in graph.data[name])
    return happens_once(graph, name) and not handed and graph.nodes[name].op not in VARIABLES


def changes_variable(graph: Graph, name: str) -> bool:
    """Return whether a node writes a variable, or may: no queue, table or random generator."""
    node: Any = graph.nodes[name]
    if node.op in _LOOKS or node.op.startswith(_GENERATORS) or not writes(node):
        return False
    states = (tensor for tensor in graph.data[name] if is_state(graph, tensor))
    return any(_may_be_variable(graph, tensor) for tensor in states)


def _is_operation(graph: Graph, name: str) -> bool:
    op = graph.nodes[name].op
    kept = CONTROL_FLOW | VARIABLES | DATA | FUNCTION_ENDS
    return bool(graph.nodes[name].input) and op not in kept and not calls(graph, name)


def _role(lookup: Lookup, graph: Graph, name: str, roles: Dict[str, Role], late: bool) -> Role:
    """Return the role of a node that may have any.

    What is `late` has to be so for the letter, too: an update may be behind it, of a variable
    that the letter still reads.
    """
    node = graph.nodes[name]
    if node.op in OF_SHAPES:
        return Role.ONCE  # of any value: only its shape counts, and that is the letter's
    given = [roles.get(node_of(text), Role.OUTSIDE) for text in tensors_read(lookup, node)]
    altered = any(role.altered for role in given) or bool(casts_on(lookup, node))
    rounds = bool(rounded_outputs(lookup, node, shortcuts=True))
    if happens_once(graph, name):
        outside = altered or any(role.repeated for role in given)
        return Role.OUTSIDE if outside else Role.DRAWN if rounds else Role.ONCE
    if altered and not safe(lookup, node, _altered_inputs(lookup, node, roles)):
        return Role.OUTSIDE  # it fails on what is wrong, or has another shape
    if altered or rounds:
        return Role.TWICE
    return Role.LATE if late and node.op not in CONSTANTS | ORDER_ONLY else Role.ONCE


def _altered_inputs(lookup: Lookup, node: Any, roles: Dict[str, Role]) -> List[bool]:
    """Return of each data input whether it may be wrong before the chosen value is known."""
    texts = enumerate(data_inputs(node.input))
    taken = [node_of(lookup.past.get((node.name, index), text)) for index, text in texts]
    cast = casts_on(lookup, node)
    return [
        index in cast or roles.get(each, Role.OUTSIDE).altered for index, each in enumerate(taken)
    ]


def is_state(graph: Graph, tensor: Tensor) -> bool:
    """Return whether a tensor is a reference or a handle, not a value."""
    node = graph.nodes[tensor.node]
    definition = tf_compat.op_def(node.op)
    if definition is None:
        return False
    types = output_dtypes(node)
    handle = tensor.slot < len(types) and types[tensor.slot] == tf_compat.load().resource
    return handle or any(arg.is_ref for arg in definition.output_arg)


def _may_be_variable(graph: Graph, tensor: Tensor) -> bool:
    """Return whether a reference or handle is not certainly of something else, like a queue."""
    node = graph.nodes[node_of(source(graph.nodes, as_input(tensor)))]
    unknown = VARIABLES | MERGES | CALLS | CONTROL_FLOW | FUNCTION_ENDS | DATA
    definition = tf_compat.op_def(node.op)
    return node.op in unknown or definition is None or not definition.is_stateful
