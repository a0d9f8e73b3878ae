"""Handles of resource variables, and the shapes of the variables behind them."""

from __future__ import annotations

from typing import Any, Optional

from lenet_exp import tf_compat
from lenet_exp.precision.ir.graph import Graph
from lenet_exp.precision.ir.names import Tensor
from lenet_exp.precision.ir.op_defs import HANDLE_SHAPE
from lenet_exp.precision.ir.op_traits import CONTROL_FLOW, LOOPS, MERGES, PASS_THROUGH

# Where the shape of a variable is said: where it is made, and where a function is handed it.
_SAYS = {"VarHandleOp": "shape", "_Arg": HANDLE_SHAPE}
_HANDED_ON = CONTROL_FLOW | PASS_THROUGH | LOOPS


def is_handle(node: Any, slot: int) -> bool:
    """Return whether an output is a variable's handle, made here or handed on."""
    if node.op == "VarHandleOp":
        return True
    known = node.op in _SAYS or node.op in _HANDED_ON
    if not known or "T" not in node.attr or (node.op in MERGES and slot):
        return False
    listed, handle = node.attr["T"].list.type, tf_compat.load().resource.as_datatype_enum
    types = listed[slot : slot + 1] if node.op in LOOPS else [node.attr["T"].type]
    return list(types) == [handle]


def variable_shape(graph: Graph, handle: Tensor) -> Optional[Any]:
    """Return the TensorShapeProto of the variable behind a handle; None if nothing says it."""
    passed = set()
    while handle not in passed:
        passed.add(handle)
        node, data = graph.nodes[handle.node], graph.data[handle.node]
        if node.op in _SAYS:
            key = _SAYS[node.op]
            return node.attr[key].shape if key in node.attr else None
        slot = handle.slot if node.op in LOOPS else 0
        if node.op not in _HANDED_ON or slot >= len(data):
            return None
        handle = data[slot]
    return None
