"""What one run of a session needs of the session's graph, as a GraphDef of its own."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, NamedTuple, Sequence

from lenet_exp import tf_compat
from lenet_exp.precision.ir.builder import set_inputs

HOST_ONLY = "_without_npu_compile"  # marks what the vendor's adapter leaves to the host
_NO_HINTS = ("_class", "_output_shapes")  # true of the whole graph alone


class StepGraph(NamedTuple):
    """A copy of the nodes that a run needs.

    A fed tensor is a border: in place of what makes it there is a Placeholder. `borders` has the
    tensor of the graph for each name that a Placeholder was given.
    """

    graph_def: Any
    operations: Dict[str, Any]  # those of the graph itself, by name
    borders: Dict[str, Any]


def step_graph(graph: Any, roots: Sequence[Any], fed: Sequence[Any]) -> StepGraph:
    """Return what running the operations `roots` needs where the tensors `fed` are given."""
    made = tf_compat.load().GraphDef()
    names = {id(tensor): _border_name(tensor) for tensor in fed}
    operations = _needed(roots, {id(tensor) for tensor in fed})
    for op in operations.values():
        node = made.node.add()
        node.CopyFrom(op.node_def)
        _cut_inputs(node, op, names)
        _mark(node)
    _add_placeholders(made, [t for t in fed if _border_name(t) not in operations])
    made.versions.CopyFrom(graph.graph_def_versions)
    if any(attr.WhichOneof("value") == "func" or attr.list.func
           for node in made.node for attr in node.attr.values()):  # fmt: skip
        made.library.CopyFrom(graph.as_graph_def().library)
    return StepGraph(made, operations, {names[id(tensor)]: tensor for tensor in fed})


def _needed(roots: Iterable[Any], fed: Iterable[int]) -> Dict[str, Any]:
    """Return the operations behind `roots`, in front of the tensors with the ids `fed`."""
    found: Dict[str, Any] = {}
    stack: List[Any] = list(roots)[::-1]
    fed = set(fed)
    while stack:
        op = stack.pop()
        if op.name not in found:
            found[op.name] = op
            stack.extend(tensor.op for tensor in op.inputs if id(tensor) not in fed)
            stack.extend(op.control_inputs)
    return found


def _border_name(tensor: Any) -> str:
    if tensor.op.type in ("Placeholder", "PlaceholderV2"):
        return str(tensor.op.name)
    return f"{tensor.op.name}/fed_{tensor.value_index}"


def _cut_inputs(node: Any, op: Any, names: Dict[int, str]) -> None:
    texts = list(node.input)
    for slot, tensor in enumerate(op.inputs):
        texts[slot] = names.get(id(tensor), texts[slot])
    if texts != list(node.input):
        set_inputs(node, texts)


def _mark(node: Any) -> None:
    """Have what stays on the host keep its types."""
    for hint in _NO_HINTS:
        if hint in node.attr:
            del node.attr[hint]
    if HOST_ONLY in node.attr and node.attr[HOST_ONLY].b:
        node.attr["_keep_dtype"].i = 1


def _add_placeholders(made: Any, tensors: Sequence[Any]) -> None:
    for tensor in tensors:
        node = made.node.add(name=_border_name(tensor), op="Placeholder")
        node.attr["dtype"].type = tensor.dtype.base_dtype.as_datatype_enum
        node.attr["shape"].shape.CopyFrom(tensor.shape.as_proto())
