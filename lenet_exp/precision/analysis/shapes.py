"""Static shapes, by TensorFlow's own shape functions on a copy of the graph."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple

from lenet_exp import tf_compat
from lenet_exp.errors import GraphError
from lenet_exp.precision.ir.graph import Graph
from lenet_exp.precision.ir.names import Tensor
from lenet_exp.precision.ir.op_defs import copy_attributes

Shape = Optional[Tuple[int, ...]]  # None unless every dimension is known

_LARGE = 100_000  # bytes: constants whose shape, not value, can matter to a shape function


def elements(shape: Iterable[int]) -> int:
    """Return how many values a tensor of this shape has."""
    product = 1
    for length in shape:
        product *= length
    return product


def static_shapes(
    graph: Graph, types: Mapping[str, Tuple[str, ...]], tensors: Iterable[Tensor]
) -> Dict[Tensor, Shape]:
    """Return the shapes of some tensors; None where a dimension is not known.

    `_output_shapes` of a node is believed; for the rest the graph is imported, with
    placeholders for operators that TensorFlow doesn't know.
    """
    found: Dict[Tensor, Shape] = {}
    open_: List[Tensor] = []
    for tensor in tensors:
        written = _written(graph.nodes[tensor.node], tensor.slot)
        if written is None:
            open_.append(tensor)
        else:
            found[tensor] = written
    if open_:
        found.update(_inferred(graph, types, open_))
    return found


def _written(node: Any, slot: int) -> Shape:
    shapes = node.attr["_output_shapes"].list.shape if "_output_shapes" in node.attr else ()
    return _known(shapes[slot]) if slot < len(shapes) else None


def _known(shape: Any) -> Shape:
    if shape.unknown_rank or any(dim.size < 0 for dim in shape.dim):
        return None
    return tuple(int(dim.size) for dim in shape.dim)


def _inferred(
    graph: Graph, types: Mapping[str, Tuple[str, ...]], tensors: List[Tensor]
) -> Dict[Tensor, Shape]:
    tf = tf_compat.load()
    scratch = tf.Graph()
    try:
        with scratch.as_default():
            tf.import_graph_def(importable(graph, types), name="")
    except ValueError as error:
        problem = f"TensorFlow can't make it: {str(error).splitlines()[0]}"
        raise GraphError("the graph", problem, "a graph TensorFlow imports") from error
    found = {}
    for tensor in tensors:
        name, slot = _scratch(graph, tensor)
        shape = scratch.get_operation_by_name(name).outputs[slot].shape
        found[tensor] = tuple(shape.as_list()) if shape.is_fully_defined() else None
    return found


def _importable(node: Any) -> bool:
    # Names with an underscore are TensorFlow's own (_Arg) and refused in an import.
    return not node.op.startswith("_") and tf_compat.op_def(node.op) is not None


def _scratch(graph: Graph, tensor: Tensor) -> Tuple[str, int]:
    if _importable(graph.nodes[tensor.node]):
        return tensor.node, tensor.slot
    return _placeholder_name(tensor), 0


def _placeholder_name(tensor: Tensor) -> str:
    return tensor.node if tensor.slot == 0 else f"{tensor.node}__output_{tensor.slot}"


def importable(graph: Graph, types: Mapping[str, Tuple[str, ...]]) -> Any:
    """Return a GraphDef for shape inference: nothing in it but what TensorFlow knows."""
    made = tf_compat.load().GraphDef()
    for name, node in graph.nodes.items():
        if not _importable(node):
            for slot, dtype in enumerate(types[name]):
                _add_placeholder(made, _placeholder_name(Tensor(name, slot)), dtype)
            continue
        if node.op == "Const" and node.ByteSize() > _LARGE:
            shape = node.attr["value"].tensor.tensor_shape
            _add_placeholder(made, name, types[name][0], shape)
            continue
        copy = made.node.add(name=name, op=node.op)
        for tensor in graph.data[name]:
            producer, slot = _scratch(graph, tensor)
            copy.input.append(f"{producer}:{slot}")
        copy_attributes(node, copy)
    made.versions.producer = 27  # TensorFlow 1.x: old graphs must not be refused
    for function in graph.library.values():
        made.library.function.add().CopyFrom(function)
    return made


def _add_placeholder(made: Any, name: str, dtype: str, shape: Any = None) -> None:
    node = made.node.add(name=name, op="Placeholder")
    node.attr["dtype"].type = tf_compat.load().as_dtype(dtype).as_datatype_enum
    if shape is not None:
        node.attr["shape"].shape.CopyFrom(shape)
