"""Where a wrong value does no harm: it decides no shape, and no operator fails on it.

The fast path has infinity or NaN where the chip saturates, and integers made of these are of any
size. They may not select rows, say how many there are, or be what a matrix is inverted of.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Container, Mapping, Sequence

from lenet_exp import tf_compat
from lenet_exp.precision.emulation.exact.context import Lookup
from lenet_exp.precision.emulation.exact.own_types import is_apart
from lenet_exp.precision.ir.op_defs import argument_types
from lenet_exp.precision.ir.op_traits import JOINS_AND_PARTS, PASS_THROUGH, WHOLE_OF_FIRST

# Value by value: of all inputs, whatever their types are.
_EACH = PASS_THROUGH | {
    "Abs", "Add", "AddN", "AddV2", "Cast", "Ceil", "Einsum", "EnsureShape", "Equal", "Floor",
    "Greater", "GreaterEqual", "IdentityN", "IsFinite", "IsInf", "IsNan", "Less", "LessEqual",
    "LogicalAnd", "LogicalNot", "LogicalOr", "MatrixSetDiag", "Maximum", "Minimum", "Mul", "Neg",
    "NotEqual", "OnesLike", "Pack", "Relu", "Rint", "Round", "Select", "SelectV2",
    "Sign", "Square", "SquaredDifference", "Sub", "ZerosLike",
}  # fmt: skip
_OF_FIRST = (JOINS_AND_PARTS | WHOLE_OF_FIRST | {
    "DynamicPartition", "MatrixBandPart", "MatrixDiag", "MatrixDiagPart", "MatrixDiagPartV3",
    "MatrixDiagV3", "MirrorPad", "MirrorPadGrad", "OneHot", "ReverseSequence", "Roll",
    "SegmentSum", "TopKV2",
}) - {
    "BroadcastArgs", "BroadcastGradientArgs", "Concat", "ConcatOffset", "ConcatV2",
    "InvertPermutation", "ListDiff", "Split", "Unique", "Where",
}  # fmt: skip
# Of the AI core, yet these inputs decide how many values there are, are refused, or say where to
# read.
_RANGES: Mapping[str, Container[int]] = MappingProxyType(
    {"CropAndResize": (1,), "HistogramFixedWidth": range(3), "Range": range(3)}
)


def safe(lookup: Lookup, node: Any, altered: Sequence[bool]) -> bool:
    """Return whether a node may take wrong values; `altered` says of each data input if it does."""
    row = lookup.rows.get(node.name)
    on_core, ranges = row is not None and not is_apart(row), _RANGES.get(node.op, ())
    types = argument_types(node, tf_compat.op_def(node.op).input_arg)
    values = _values(node.op, len(types))
    return all(
        index in values
        or (on_core and index not in ranges and tf_compat.load().as_dtype(types[index]).is_floating)
        for index, wrong in enumerate(altered)
        if wrong
    )


def _values(op: str, count: int) -> Container[int]:
    """Return which of the inputs are what an operator moves, or computes value by value."""
    if op in _EACH:
        return range(count)
    if op == "ConcatV2":
        return range(count - 1)
    if op == "DynamicStitch":
        return range(count // 2, count)
    found = {"Fill": (1,), "MatrixSetDiagV3": (0, 1), "Split": (1,)}
    return found.get(op, (0,) if op in _OF_FIRST else ())
