"""Static shapes, by TensorFlow's own shape functions on a copy of the graph."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple

from lenet_exp import tf_compat
from lenet_exp.errors import GraphError
from lenet_exp.precision.analysis.dtypes import output_types
from lenet_exp.precision.ir.graph import Graph
from lenet_exp.precision.ir.names import Tensor
from lenet_exp.precision.ir.op_defs import copy_attributes
from lenet_exp.precision.target.modes import Generation
from lenet_exp.precision.target.operator_library import load_library

Shape = Optional[Tuple[int, ...]]  # None unless every dimension is known

_LARGE = 100_000  # bytes: constants whose shape, not value, can matter to a shape function


def elements(shape: Iterable[int]) -> int:
    """Return how many values a tensor of this shape has."""
    product = 1
    for length in shape:
        product *= length
    return product


def all_shapes(graph: Graph, generation: Generation) -> Dict[Tensor, Shape]:
    """Return the shapes of every output of every node, as `static_shapes` does."""
    types = output_types(graph, load_library(None, generation))
    tensors = [Tensor(name, slot) for name, each in types.items() for slot in range(len(each))]
    return static_shapes(graph, types, tensors)


def static_shapes(
    graph: Graph, types: Mapping[str, Tuple[str, ...]], tensors: Iterable[Tensor]
) -> Dict[Tensor, Shape]:
    """Return the shapes of some tensors; None where a dimension is not known.

    `_output_shapes` of a node is believed; for the rest the graph is imported, with
    placeholders for operators that TensorFlow doesn't know.
    """
    found = {tensor: _written(graph.nodes[tensor.node], tensor.slot) for tensor in tensors}
    unwritten = [tensor for tensor, shape in found.items() if shape is None]
    return {**found, **_inferred(graph, types, unwritten)} if unwritten else found


def _written(node: Any, slot: int) -> Shape:
    shapes = node.attr["_output_shapes"].list.shape if "_output_shapes" in node.attr else ()
    if slot >= len(shapes) or shapes[slot].unknown_rank:
        return None
    shape = tuple(int(dim.size) for dim in shapes[slot].dim)
    return None if any(size < 0 for size in shape) else shape


def _inferred(
    graph: Graph, types: Mapping[str, Tuple[str, ...]], tensors: List[Tensor]
) -> Dict[Tensor, Shape]:
    tf = tf_compat.load()
    scratch = tf.Graph()
    try:
        with scratch.as_default():
            tf.import_graph_def(_importable(graph, types), name="")
    except ValueError as error:
        problem = f"TensorFlow can't make it: {str(error).splitlines()[0]}"
        raise GraphError("the graph", problem, "a graph TensorFlow imports") from error
    found = {}
    for tensor in tensors:
        name, slot = _scratch(graph, tensor)
        shape = scratch.get_operation_by_name(name).outputs[slot].shape
        found[tensor] = tuple(shape.as_list()) if shape.is_fully_defined() else None
    return found


def _registered(node: Any) -> bool:
    # Names with an underscore are TensorFlow's own (_Arg) and refused in an import.
    return not node.op.startswith("_") and tf_compat.op_def(node.op) is not None


def _scratch(graph: Graph, tensor: Tensor) -> Tuple[str, int]:
    """Return what stands for a tensor in the scratch graph: itself or a placeholder."""
    if _registered(graph.nodes[tensor.node]) or tensor.slot == 0:
        return tensor.node, tensor.slot
    return f"{tensor.node}__output_{tensor.slot}", 0


def _importable(graph: Graph, types: Mapping[str, Tuple[str, ...]]) -> Any:
    """Return a GraphDef for shape inference: nothing in it but what TensorFlow knows."""
    made = tf_compat.load().GraphDef()
    for name, node in graph.nodes.items():
        if not _registered(node):
            for slot, dtype in enumerate(types[name]):
                _add_placeholder(made, _scratch(graph, Tensor(name, slot))[0], dtype)
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
