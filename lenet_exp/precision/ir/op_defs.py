"""What TensorFlow's operator definitions say of a node: attributes, types of its ends."""

from __future__ import annotations

import functools
from types import MappingProxyType
from typing import Any, Dict, List, Mapping, Tuple

from lenet_exp import tf_compat
from lenet_exp.errors import GraphError

HANDLE = "_variable_dtype"  # of a function's argument: the type of the variable it hands in
_REF_OFFSET = 100  # DT_FLOAT_REF = DT_FLOAT + 100


@functools.lru_cache(maxsize=None)
def dtype_name(enum: int) -> str:
    """Return "float32" for DT_FLOAT and for DT_FLOAT_REF."""
    base = enum - _REF_OFFSET if enum > _REF_OFFSET else enum
    return str(tf_compat.load().as_dtype(base).name)


def attribute(node: Any, name: str) -> Any:
    """Return a node's AttrValue, or the default of its operator.

    `node.attr[name]` would put a missing attribute into the caller's graph.
    """
    if name in node.attr:
        return node.attr[name]
    declared = {attr.name: attr for attr in tf_compat.op_def(node.op).attr}
    return declared[name].default_value


def argument_types(node: Any, arguments: Any) -> Tuple[str, ...]:
    """Return the dtype names of a node's tensors; `arguments` are its op def's, in or out.

    Raises:
        GraphError: the node lacks the attribute that says a type.
    """
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
        begin += len(argument_types(node, [argument]))
    return offsets


def copy_attributes(node: Any, copy: Any) -> None:
    """Copy the attributes this TensorFlow's version of the operator has."""
    for attr in tf_compat.op_def(node.op).attr:
        if attr.name in node.attr:
            copy.attr[attr.name].CopyFrom(node.attr[attr.name])
