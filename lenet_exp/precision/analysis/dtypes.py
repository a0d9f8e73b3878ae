"""The types a GraphDef itself says: those of every output of every node."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from lenet_exp import tf_compat
from lenet_exp.errors import GraphError
from lenet_exp.precision.ir.graph import Graph, in_order
from lenet_exp.precision.ir.op_defs import (
    HANDLE,
    IMPORTED,
    MOST_TENSORS,
    argument_types,
    attribute,
    dtype_name,
)
from lenet_exp.precision.ir.op_traits import CONTROL_FLOW, LOOPS, PASS_THROUGH
from lenet_exp.precision.target.operator_library import OperatorLibrary

_FROM_NODE = ("T", "dtype", "DstT", "out_type", "output_type")


def output_types(graph: Graph, library: OperatorLibrary) -> Dict[str, Tuple[str, ...]]:
    """Return the dtype names of every node's outputs, by node.

    References count as their base type and a resource handle as its variable: that is how the
    compiler parses them (precision-modes.md 3.3 and 11). An operator that TensorFlow doesn't
    know takes its types from the library, else from what its consumers take, else from its own
    attributes, else float32.

    Raises:
        GraphError: an input that is no output of its node, or a node without its type.
    """
    found: Dict[str, Tuple[str, ...]] = {}
    wanted, count = _wanted_types(graph), 0
    for name in in_order(graph):
        node = graph.nodes[name]
        definition = tf_compat.op_def(node.op)
        if definition is not None:
            types = argument_types(node, definition.output_arg)
        elif node.op in graph.library:
            returned = graph.library[node.op].signature.output_arg
            types = tuple(dtype_name(argument.type) for argument in returned)
        else:
            types = _unregistered(node, library, wanted[name])
        found[name] = _variables_behind_handles(graph, found, name, types)
        count = _counted(name, count + len(types))
    for name, inputs in graph.data.items():
        for tensor in inputs:
            if tensor.slot >= len(found[tensor.node]):
                problem = f'its input "{tensor}" is no output of that node'
                raise GraphError(name, problem, IMPORTED)
    return found


def _counted(name: str, tensors: int) -> int:
    if tensors > MOST_TENSORS:
        problem = f"with it the graph has {tensors} tensors"
        raise GraphError(name, problem, f"at most {MOST_TENSORS}")
    return tensors


def check_inputs(graph: Graph, types: Mapping[str, Tuple[str, ...]]) -> None:
    """Refuse what TensorFlow would; a handle counts as its variable, so only others compare.

    Raises:
        GraphError: a node has other inputs than its operator takes.
    """
    known = {name: tf_compat.op_def(node.op) for name, node in graph.nodes.items()}
    for name, inputs in graph.data.items():
        if known[name] is not None:
            wanted = argument_types(graph.nodes[name], known[name].input_arg)
            given = tuple(types[tensor.node][tensor.slot] for tensor in inputs)
            guessed = [known[tensor.node] is None for tensor in inputs]
            _compare(graph.nodes[name], wanted, given, guessed)


def _compare(
    node: Any, wanted: Sequence[str], given: Sequence[str], guessed: Sequence[bool]
) -> None:
    if wanted == given:
        return
    if len(wanted) != len(given):
        problem = f"it has {len(given)} inputs, and a {node.op} like this takes {len(wanted)}"
        raise GraphError(node.name, problem, IMPORTED)
    for index, (takes, has) in enumerate(zip(wanted, given)):
        if takes not in (has, "resource") and not guessed[index]:
            problem = f"its input {index} is {has}, and this {node.op} takes {takes}"
            raise GraphError(node.name, problem, IMPORTED)


def _wanted_types(graph: Graph) -> Dict[str, List[Optional[str]]]:
    """Return the type that consumers take of each output of nodes TensorFlow doesn't know."""
    wanted: Dict[str, List[Optional[str]]] = {
        name: [None] for name, node in graph.nodes.items() if tf_compat.op_def(node.op) is None
    }
    if not wanted:
        return wanted
    count = 0
    for name, inputs in graph.data.items():
        definition = tf_compat.op_def(graph.nodes[name].op)
        taken = argument_types(graph.nodes[name], definition.input_arg) if definition else ()
        for index, tensor in enumerate(inputs):
            if tensor.node in wanted:
                types = wanted[tensor.node]
                more = max(0, tensor.slot + 1 - len(types))
                count = _counted(name, count + more)
                types.extend([None] * more)
                types[tensor.slot] = taken[index] if index < len(taken) else types[tensor.slot]
    return wanted


def _unregistered(
    node: Any, library: OperatorLibrary, wanted: Sequence[Optional[str]]
) -> Tuple[str, ...]:
    for ge_type in (node.op, *library.forms.get(node.op, ())):
        operator = library.operators.get(ge_type)
        columns = operator.columns if operator is not None else None
        if columns and len({column.outputs for column in columns}) == 1:
            return columns[0].outputs
    own = [node.attr[key].type for key in _FROM_NODE if key in node.attr and node.attr[key].type]
    rest = (dtype_name(own[0]) if own else "") or "float32"
    return tuple(dtype or rest for dtype in wanted)


def _variables_behind_handles(
    graph: Graph, found: Mapping[str, Tuple[str, ...]], name: str, types: Tuple[str, ...]
) -> Tuple[str, ...]:
    node = graph.nodes[name]
    if "resource" not in types:
        return types
    behind: Optional[str] = None
    if node.op in LOOPS and len(graph.data[name]) == len(types):  # each output is its input again
        handed = [found[tensor.node][tensor.slot : tensor.slot + 1] for tensor in graph.data[name]]
        return tuple(h[0] if t == "resource" and h else t for t, h in zip(types, handed))
    if node.op == "VarHandleOp":
        behind = dtype_name(attribute(node, "dtype").type)
    elif HANDLE in node.attr:
        behind = dtype_name(node.attr[HANDLE].type)
    elif node.op in CONTROL_FLOW or node.op in PASS_THROUGH:
        known = (t for t in graph.data[name] if t.slot < len(found.get(t.node, ())))
        behind = next((found[tensor.node][tensor.slot] for tensor in known), None)
    return tuple(behind or t if t == "resource" else t for t in types)
