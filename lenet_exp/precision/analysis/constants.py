"""Which nodes are constant, and how large they can get: known without computing anything.

TensorFlow computes constants to infer shapes, however large, so what can be large is found first.
"""

from __future__ import annotations

from typing import Any, Dict, Iterable, Mapping, Optional

from lenet_exp import tf_compat
from lenet_exp.errors import GraphError
from lenet_exp.precision.ir.graph import Graph
from lenet_exp.precision.ir.names import Tensor
from lenet_exp.precision.ir.op_defs import attribute
from lenet_exp.precision.ir.op_traits import (
    CONSTANTS,
    CONTROL_FLOW,
    JOINS_AND_PARTS,
    NEVER_FOLDED,
    OF_SHAPES,
    PAIRWISE,
    stand_in,
)

SMALL = 1_000_000  # values
UNKNOWN = 2**62
_MOST_VALUES = 2**31 - 1
_MOST_DIMENSIONS = 254  # TensorFlow's own limit


def largest_sizes(graph: Graph, order: Iterable[str]) -> Dict[str, int]:
    """Return, of each node that is constant, how many values one output has at most.

    Control edges play no part. UNKNOWN: its shape has to be inferred first.

    Raises:
        GraphError: a Const says that it has more values than a GraphDef has bytes.
    """
    found: Dict[str, int] = {}
    for name in order:
        node, data = graph.nodes[name], graph.data[name]
        if node.op in CONSTANTS:
            found[name] = constant_size(node)
            if found[name] > _MOST_VALUES:
                problem = "this constant has more values than a GraphDef can have bytes"
                raise GraphError(name, problem, f"at most {_MOST_VALUES}")
        elif node.op in OF_SHAPES:
            found[name] = _MOST_DIMENSIONS
        elif data and all(t.node in found for t in data) and is_pure(node):
            found[name] = largest_of(node.op, [found[tensor.node] for tensor in data])
    return found


def largest_of(op: str, inputs: Iterable[int]) -> int:
    """Return how many values an operator gives at most, of inputs that have so many."""
    size = UNKNOWN
    if op in JOINS_AND_PARTS | CONTROL_FLOW:
        size = sum(inputs)
    elif op in PAIRWISE:
        size = 1
        for each in inputs:
            size = min(UNKNOWN, size * max(1, each))
    return min(UNKNOWN, size)


def is_pure(node: Any) -> bool:
    """Return whether a node is the same for the same inputs, and no part of control flow."""
    if stand_in(node) or node.op in NEVER_FOLDED:
        return False
    definition = tf_compat.op_def(node.op)
    if definition is None or definition.is_stateful:
        return False
    return not any(arg.is_ref for arg in (*definition.input_arg, *definition.output_arg))


def constant_size(node: Any) -> int:
    """Return how many values a Const says it has: one in the file may stand for all."""
    size = 1
    for dim in attribute(node, "value").tensor.tensor_shape.dim:
        size = min(UNKNOWN, size * max(0, dim.size))
    return size


def constant_number(graph: Graph, tensor: Tensor) -> Optional[float]:
    """Return the value of a constant that is one real number, None of anything else."""
    node = graph.nodes.get(tensor.node)
    if node is not None:
        node = graph.nodes[graph.source(tensor).node]
    if node is None or node.op not in CONSTANTS or constant_size(node) != 1:
        return None
    value = constant_value(node)
    known = value is not None and value.dtype.kind in "iuf"
    return float(value.reshape(())) if known else None


def constant_value(node: Any) -> Any:
    """Return the array that a Const holds; None if it can't be read: TensorFlow will refuse it."""
    try:
        return tf_compat.load().make_ndarray(node.attr["value"].tensor)
    except (TypeError, ValueError):
        return None


def growing(sizes: Mapping[str, int], nodes: Mapping[str, Any]) -> Dict[str, None]:
    """Return the constant nodes that have to be looked at before they are computed."""
    return {
        name: None
        for name, size in sizes.items()
        if size > SMALL and nodes[name].op not in CONSTANTS
    }
