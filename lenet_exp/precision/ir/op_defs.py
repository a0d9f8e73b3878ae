"""What TensorFlow's operator definitions say of a node: attributes, types of its ends."""

from __future__ import annotations

import functools
from types import MappingProxyType
from typing import Any, Dict, List, Mapping, Tuple

from lenet_exp import tf_compat
from lenet_exp.errors import GraphError

HANDLE = "_variable_dtype"  # of a function's argument: the type of the variable it hands in
HANDLE_SHAPE = "_variable_shape"  # and its shape
WRITTEN_SHAPES = "_output_shapes"  # of a node, as TensorFlow wrote it
PLACES = "_class"  # the nodes whose device a node has: an import refuses one that is gone
# The same in a plan's graph: an import refuses what another release of TensorFlow infers otherwise.
KEPT_SHAPES = "_kept_output_shapes"
IMPORTED = "a graph TensorFlow imports"
MOST_TENSORS = 400_000  # of a graph; a file of a hundred bytes can ask for 2^63
_REF_OFFSET = 100  # DT_FLOAT_REF = DT_FLOAT + 100


@functools.lru_cache(maxsize=None)
def dtype_name(enum: int) -> str:
    """Return "float32" for DT_FLOAT and for DT_FLOAT_REF, "" for what is no type."""
    base = enum - _REF_OFFSET if enum > _REF_OFFSET else enum
    try:
        return str(tf_compat.load().as_dtype(base).name)
    except TypeError:
        return ""


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
        GraphError: the node lacks an attribute that says a type, or has too many tensors or fewer
            than its operator has.
    """
    types: List[str] = []
    for argument in arguments:
        listed, named = argument.type_list_attr, argument.type_attr
        if listed:
            enums = attribute(node, listed).list.type
            _check_count(node, listed, len(enums))
            found = [dtype_name(enum) for enum in enums]
        else:
            enum = attribute(node, named).type if named else argument.type
            number = argument.number_attr
            count = attribute(node, number).i if number else 1
            if number:
                _check_count(node, number, count)
            found = [dtype_name(enum)] * count
        if "" in found:
            problem = f"this {node.op} has no attribute {listed or named} that is a type"
            raise GraphError(node.name, problem, IMPORTED)
        types.extend(found)
    return tuple(types)


def _check_count(node: Any, name: str, count: int) -> None:
    """Refuse a number of tensors, the attribute `name`, that TensorFlow's operator can't have."""
    least = next(attr.minimum for attr in tf_compat.op_def(node.op).attr if attr.name == name)
    if not least <= count <= MOST_TENSORS:
        problem = f"this {node.op} has {count} tensors"
        allowed = f"at least {least}" if count < least else f"at most {MOST_TENSORS}"
        raise GraphError(node.name, problem, allowed)


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
