"""Nodes of ours in a person's graph: imported beside their own, and shown to nobody."""

from __future__ import annotations

import contextlib
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Sequence

from lenet_exp import tf_compat
from lenet_exp.precision.emulation.exact.float_status import NAME as STATUS
from lenet_exp.precision.emulation.exact.float_status import RESET
from lenet_exp.precision.ir.graph import reachable
from lenet_exp.precision.ir.names import node_of, split
from lenet_exp.precision.ir.op_traits import VARIABLES
from lenet_exp.script.step_graph import StepGraph

SCOPE = "lenet_exp_emulation"
_FUNCTIONS = "emulation_"  # the names of the emulation's own functions begin so
_LARGE = 4096  # bytes of a constant that is not held twice
_GIVEN = ("Placeholder", "PlaceholderV2", "PlaceholderWithDefault")
# Handles that live for one run: a run's copy has its own.
_OF_ONE_RUN = ("TensorArray", "Stack", "TemporaryVariable")


class Grafted(NamedTuple):
    """Where the imported nodes are."""

    graph: Any
    prefix: str
    own: Mapping[str, Any]  # the graph's own operations that stand for nodes of the same names
    borders: Mapping[str, Any]  # the graph's own tensors that are fed

    def operation(self, name: str) -> Any:
        """Return the operation that stands for a node."""
        return self.own.get(name) or self.graph.get_operation_by_name(f"{self.prefix}/{name}")

    def tensor(self, name: str) -> Any:
        """Return the tensor that stands for "node" or "node:slot"."""
        _, node, slot = split(name)
        return self.operation(node).outputs[int(slot[1:] or 0)]


def graft(step: StepGraph, emulated: Any, roots: Sequence[str], graph: Any) -> Grafted:
    """Import what the nodes `roots` need of an emulated GraphDef into the graph it was made of.

    What has a state or is given from outside (variables, tables, iterators, queues, random
    numbers, placeholders) stays the graph's own.
    """
    nodes = {node.name: node for node in emulated.node}
    own = {name: op for name, op in step.operations.items() if _stays(name, op, nodes, step)}
    status = status_of(graph)
    own.update({STATUS: status.operation(STATUS), RESET: status.operation(RESET)})
    ends = {*own, *step.borders}
    found = reachable(
        [root for root in map(node_of, roots) if root not in ends],
        lambda name: [n for n in map(node_of, nodes[name].input) if n not in ends],
    )
    return _imported(graph, emulated, [nodes[name] for name in found], own, step.borders)


def _stays(name: str, op: Any, nodes: Mapping[str, Any], step: StepGraph) -> bool:
    node = nodes.get(name)
    if node is None or node.op != op.type:
        return False
    if op.type in VARIABLES or op.type in _GIVEN or _is_handle(op):
        return not op.type.startswith(_OF_ONE_RUN)
    if op.type == "Const":
        value = node.attr["value"].tensor
        return bool(value.ByteSize() > _LARGE and value == op.get_attr("value"))
    return _is_random(op) and not op.control_inputs and _comes_from_constants(op, step)


def _is_handle(op: Any) -> bool:
    """Return whether an operation names something that lives as long as its session."""
    if list(op.inputs) or not op.outputs:
        return False
    kinds = {tensor.dtype.name for tensor in op.outputs}
    return bool(op.op_def.is_stateful) and bool(kinds & {"resource", "string_ref", "variant"})


def _is_random(op: Any) -> bool:
    names = {attr.name for attr in op.op_def.attr}
    return bool(op.op_def.is_stateful) and {"seed", "seed2"} <= names and len(op.inputs) > 0


def _comes_from_constants(op: Any, step: StepGraph) -> bool:
    """Return whether an operation may run where the graph has it: nothing emulated is behind it."""
    fed = {id(tensor) for tensor in step.borders.values()}
    seen: Dict[str, Any] = {}
    stack = [tensor.op for tensor in op.inputs if id(tensor) not in fed]
    while stack:
        one = stack.pop()
        if one.name not in seen:
            seen[one.name] = one
            if any(tensor.dtype.is_floating for tensor in one.inputs) and one.type not in _OF_SHAPE:
                return False
            if one.control_inputs or one.type in _GATES:
                return False
            if one.type not in _OF_SHAPE:
                stack.extend(t.op for t in one.inputs if id(t) not in fed)
            elif one.inputs[0].op.type not in (*_GIVEN, *VARIABLES, "IteratorGetNext", "Identity"):
                return False
    return True


_OF_SHAPE = ("Shape", "ShapeN", "Size", "Rank", "VariableShape")
_GATES = ("Switch", "Merge", "Enter", "RefSwitch", "RefMerge", "RefEnter", "PyFunc")


def status_of(graph: Any) -> Grafted:
    """Return where the overflow flag of a graph is, which all that is emulated in it shares."""
    found = getattr(graph, "_lenet_exp_status", None)
    if found is None:
        tf = tf_compat.load()
        made = tf.GraphDef(versions=graph.graph_def_versions)
        variable = made.node.add(name=STATUS, op="VariableV2")
        variable.attr["dtype"].type = tf.float32.as_datatype_enum
        variable.attr["shape"].shape.SetInParent()
        zero = made.node.add(name=f"{STATUS}/zero", op="Const")
        zero.attr["dtype"].type = tf.float32.as_datatype_enum
        zero.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(0.0, tf.float32))
        reset = made.node.add(name=RESET, op="Assign", input=[STATUS, zero.name])
        reset.attr["T"].type = tf.float32.as_datatype_enum
        found = _imported(graph, made, made.node, {}, {})
        graph._lenet_exp_status = found  # noqa: SLF001 - ours
    return found


def _imported(
    graph: Any,
    source: Any,
    nodes: Sequence[Any],
    own: Mapping[str, Any],
    borders: Mapping[str, Any],
) -> Grafted:
    tf = tf_compat.load()
    part = tf.GraphDef(versions=source.versions, library=source.library)
    part.node.extend(nodes)
    inside = {node.name for node in nodes}
    for node in part.node:
        node.ClearField("device")
    taken = {text for node in nodes for text in node.input if node_of(text) not in inside}
    mapped = {text: _element(text, own, borders) for text in taken}
    with opened(graph):
        if not hasattr(graph, "_lenet_exp_versions"):
            graph._lenet_exp_versions = graph.graph_def_versions  # noqa: SLF001 - ours
        count = graph._lenet_exp_count = getattr(graph, "_lenet_exp_count", 0) + 1  # noqa: SLF001
        prefix = f"{SCOPE}/{count}"
        with graph.name_scope(None), graph.control_dependencies(None):
            tf.import_graph_def(part, input_map=mapped, name=prefix)
    return Grafted(graph, prefix, own, borders)


def _element(text: str, own: Mapping[str, Any], borders: Mapping[str, Any]) -> Any:
    _, node, slot = split(text)  # an order is mapped by a tensor of its node
    return own[node].outputs[int(slot[1:] or 0)] if node in own else borders[node]


@contextlib.contextmanager
def opened(graph: Any) -> Iterator[None]:
    """Have a graph take nodes of ours in a block: a finalized one too, and without a trace.

    TensorFlow 1.15 makes seeds of the number of operations; it stays what it was.
    """
    was_final, last = graph.finalized, getattr(graph, "_next_id_counter", None)
    if was_final:
        graph._unsafe_unfinalize()  # noqa: SLF001 - a Scaffold finalizes before the first run
    try:
        with graph.as_default():
            yield
    finally:
        if last is not None and hasattr(graph, "_nodes_by_id"):
            for number in range(last + 1, graph._next_id_counter + 1):  # noqa: SLF001
                graph._nodes_by_id.pop(number, None)  # noqa: SLF001
            graph._next_id_counter = last  # noqa: SLF001
        if was_final:
            graph.finalize()


def hide(graph_class: Any) -> None:
    """Have graphs of a class write and list their own nodes only."""
    write, listed = graph_class._as_graph_def, graph_class.get_operations  # noqa: SLF001

    def as_graph_def(self: Any, *args: Any, **options: Any) -> Any:
        made, version = write(self, *args, **options)
        if hasattr(self, "_lenet_exp_count"):
            _keep(made.node, [n for n in made.node if not n.name.startswith(f"{SCOPE}/")])
            kept = [f for f in made.library.function if not f.signature.name.startswith(_FUNCTIONS)]
            _keep(made.library.function, kept)
            made.versions.CopyFrom(self._lenet_exp_versions)
            if not kept:
                made.ClearField("library")
        return made, version

    def get_operations(self: Any) -> List[Any]:
        found = listed(self)
        if not hasattr(self, "_lenet_exp_count"):
            return list(found)
        return [op for op in found if not op.name.startswith(f"{SCOPE}/")]

    graph_class._as_graph_def, graph_class.get_operations = as_graph_def, get_operations  # noqa: SLF001


def _keep(field: Any, kept: Sequence[Any]) -> None:
    if len(kept) < len(field):
        copies = [type(one).FromString(one.SerializeToString()) for one in kept]
        del field[:]
        field.extend(copies)
