"""The types a GraphDef itself says: those of every output of every node."""

from __future__ import annotations

import functools
from types import MappingProxyType
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from lenet_exp import tf_compat
from lenet_exp.errors import GraphError
from lenet_exp.precision.ir.graph import CONTROL_FLOW, PASS_THROUGH, Graph, in_order
from lenet_exp.precision.plan import Tensor
from lenet_exp.precision.target.operator_library import OperatorLibrary

HANDLE = "_variable_dtype"  # of a function's argument: the type of the variable it hands in
_REF_OFFSET = 100  # DT_FLOAT_REF = DT_FLOAT + 100
_FROM_NODE = ("T", "dtype", "DstT", "out_type", "output_type")


@functools.lru_cache(maxsize=None)
def dtype_name(enum: int) -> str:
    """Return "float32" for DT_FLOAT and for DT_FLOAT_REF."""
    base = enum - _REF_OFFSET if enum > _REF_OFFSET else enum
    return str(tf_compat.load().as_dtype(base).name)


def output_types(graph: Graph, library: OperatorLibrary) -> Dict[str, Tuple[str, ...]]:
    """Return the dtype names of every node's outputs, by node.

    References count as their base type and a resource handle as its variable: that is how the
    compiler parses them (precision-modes.md 3.3 and 11). An operator that TensorFlow doesn't
    know takes its types from the library, else from what its consumers take, else from its own
    attributes, else float32.
    """
    found: Dict[str, Tuple[str, ...]] = {}
    wanted = _wanted_types(graph)
    for name in in_order(graph):
        node = graph.nodes[name]
        definition = tf_compat.op_def(node.op)
        if definition is not None:
            types = _of_arguments(node, definition.output_arg)
        elif node.op in graph.library:
            returned = graph.library[node.op].signature.output_arg
            types = tuple(dtype_name(argument.type) for argument in returned)
        else:
            types = _unregistered(node, library, wanted[name])
        found[name] = _variables_behind_handles(graph, found, name, types)
    _check_slots(graph, found)
    return found


def _check_slots(graph: Graph, types: Mapping[str, Tuple[str, ...]]) -> None:
    for name, inputs in graph.data.items():
        for tensor in inputs:
            if tensor.slot >= len(types[tensor.node]):
                problem = f'its input "{tensor}" is no output of that node'
                raise GraphError(name, problem, "a graph TensorFlow imports")


def attribute(node: Any, name: str) -> Any:
    """Return a node's AttrValue, or the default of its operator.

    `node.attr[name]` would put a missing attribute into the caller's graph.
    """
    if name in node.attr:
        return node.attr[name]
    declared = {attr.name: attr for attr in tf_compat.op_def(node.op).attr}
    return declared[name].default_value


def _of_arguments(node: Any, arguments: Any) -> Tuple[str, ...]:
    types: List[str] = []
    for argument in arguments:
        if argument.type_list_attr:
            listed = attribute(node, argument.type_list_attr).list.type
            types.extend(dtype_name(enum) for enum in listed)
            continue
        named = argument.type_attr
        enum = attribute(node, named).type if named else argument.type
        if not enum:
            problem = f"this {node.op} has no attribute {named}, its type"
            raise GraphError(node.name, problem, "a graph TensorFlow imports")
        count = attribute(node, argument.number_attr).i if argument.number_attr else 1
        types.extend([dtype_name(enum)] * count)
    return tuple(types)


def output_offsets(
    node: Any, functions: Mapping[str, Any] = MappingProxyType({})
) -> Dict[str, int]:
    """Return where each named output of a registered operator, or of a function, begins."""
    offsets: Dict[str, int] = {}
    if node.op in functions:
        return {a.name: i for i, a in enumerate(functions[node.op].signature.output_arg)}
    definition = tf_compat.op_def(node.op)
    begin = 0
    for argument in definition.output_arg if definition is not None else ():
        offsets[argument.name] = begin
        begin += len(_of_arguments(node, [argument]))
    return offsets


def _wanted_types(graph: Graph) -> Dict[str, List[Optional[str]]]:
    """Return the type that consumers take of each output of nodes TensorFlow doesn't know."""
    wanted: Dict[str, List[Optional[str]]] = {
        name: [None] for name, node in graph.nodes.items() if tf_compat.op_def(node.op) is None
    }
    if not wanted:
        return wanted
    for name, inputs in graph.data.items():
        definition = tf_compat.op_def(graph.nodes[name].op)
        taken = _of_arguments(graph.nodes[name], definition.input_arg) if definition else ()
        for index, tensor in enumerate(inputs):
            if tensor.node in wanted:
                types = wanted[tensor.node]
                types.extend([None] * (tensor.slot + 1 - len(types)))
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
    rest = dtype_name(own[0]) if own else "float32"
    return tuple(dtype or rest for dtype in wanted)


def _variables_behind_handles(
    graph: Graph, found: Mapping[str, Tuple[str, ...]], name: str, types: Tuple[str, ...]
) -> Tuple[str, ...]:
    node = graph.nodes[name]
    if "resource" not in types:
        return types
    behind: Optional[str] = None
    if node.op == "VarHandleOp":
        behind = dtype_name(attribute(node, "dtype").type)
    elif HANDLE in node.attr:
        behind = dtype_name(node.attr[HANDLE].type)
    elif node.op in CONTROL_FLOW or node.op in PASS_THROUGH:
        behind = _first_known(graph.data[name], found)
    return tuple(behind or t if t == "resource" else t for t in types)


def _first_known(inputs: Tuple[Tensor, ...], found: Mapping[str, Tuple[str, ...]]) -> Optional[str]:
    for tensor in inputs:
        if tensor.slot < len(found.get(tensor.node, ())):
            return found[tensor.node][tensor.slot]
    return None
