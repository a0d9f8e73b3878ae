"""Where a wrong value does no harm: it decides no shape, and no operator fails on it.

The fast path has infinity or NaN where the chip saturates, and integers made of these are of any
size. They may not select rows, say how many there are, or be what a matrix is inverted of.
"""

from __future__ import annotations

from typing import Any, Container, Sequence

from lenet_exp import tf_compat
from lenet_exp.precision.emulation.exact.context import Lookup
from lenet_exp.precision.emulation.exact.own_types import is_apart
from lenet_exp.precision.ir.op_defs import argument_types
from lenet_exp.precision.ir.op_traits import JOINS_AND_PARTS, PASS_THROUGH, WHOLE_OF_FIRST

# Value by value: of all inputs, whatever their types are.
_EACH = PASS_THROUGH | {
    "Abs", "Add", "AddN", "AddV2", "Cast", "Ceil", "Equal", "Floor", "Greater", "GreaterEqual",
    "IsFinite", "IsInf", "IsNan", "Less", "LessEqual", "LogicalAnd", "LogicalNot", "LogicalOr",
    "Maximum", "Minimum", "Mul", "Neg", "NotEqual", "OnesLike", "Pack", "Relu", "Rint", "Round",
    "Select", "SelectV2", "Sign", "Square", "SquaredDifference", "Sub", "ZerosLike",
}  # fmt: skip
_OF_FIRST = (JOINS_AND_PARTS | WHOLE_OF_FIRST | {"OneHot", "TopKV2"}) - {
    "BroadcastArgs", "BroadcastGradientArgs", "Concat", "ConcatOffset", "ConcatV2",
    "InvertPermutation", "ListDiff", "Split", "Unique", "Where",
}  # fmt: skip
# Of the AI core, yet floating inputs decide how many values there are, or are refused.
_RANGES = frozenset(("HistogramFixedWidth", "Range"))


def safe(lookup: Lookup, node: Any, altered: Sequence[bool]) -> bool:
    """Return whether a node may take wrong values; `altered` says of each data input if it does."""
    row = lookup.rows.get(node.name)
    on_core = row is not None and not is_apart(row) and node.op not in _RANGES
    types = argument_types(node, tf_compat.op_def(node.op).input_arg)
    values = _values(node.op, len(types))
    return all(
        index in values or (on_core and tf_compat.load().as_dtype(types[index]).is_floating)
        for index, wrong in enumerate(altered)
        if wrong
    )


def _values(op: str, count: int) -> Container[int]:
    """Return which of the inputs are what an operator moves, or computes value by value."""
    if op in _EACH:
        return range(count)
    if op == "ConcatV2":
        return range(count - 1)
    return {"Fill": (1,), "Split": (1,)}.get(op, (0,) if op in _OF_FIRST else ())
