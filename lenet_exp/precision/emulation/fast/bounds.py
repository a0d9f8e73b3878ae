"""Between which numbers the values of a graph's tensors are: interval arithmetic over its nodes.

What is known to be within float16's range needs no test where it is rounded, and what is known at
all is no NaN.
"""

from __future__ import annotations

import math
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from lenet_exp.precision.emulation.exact import rounding
from lenet_exp.precision.ir.builder import Handle, Nodes, data_inputs
from lenet_exp.precision.ir.names import node_of

Interval = Tuple[float, float]
ROUNDED: Interval = (-rounding.LARGEST, rounding.LARGEST)  # whatever float16 holds
_MANY = 2.0**40  # sums of fewer values
_LARGEST = 2.0**127  # float32 has all numbers below
_SLACK = 1e-5  # how far an operation of float32 may be off


def _of(
    types: Sequence[str], interval: Callable[..., Interval], indices: slice
) -> Mapping[str, Tuple[slice, Callable[..., Interval]]]:
    return dict.fromkeys(types, (indices, interval))


def _moved(*given: Interval) -> Interval:
    return min(low for low, _ in given), max(high for _, high in given)


def _or_zero(*given: Interval) -> Interval:
    return _moved(given[0], (0.0, 0.0))


def _negated(given: Interval) -> Interval:
    return -given[1], -given[0]


def _size(*given: Interval) -> Interval:
    return 0.0, max(max(-low, high) for low, high in given)


def _at_least(one: Interval, other: Interval) -> Interval:
    return max(one[0], other[0]), max(one[1], other[1])


def _at_most(one: Interval, other: Interval) -> Interval:
    return min(one[0], other[0]), min(one[1], other[1])


def _positive(given: Interval) -> Interval:
    return _at_least(given, (0.0, 0.0))


def _wide(interval: Interval) -> Interval:
    low, high = interval
    return low - _SLACK * abs(low), high + _SLACK * abs(high)


def _sum(*given: Interval) -> Interval:
    return _wide((sum(low for low, _ in given), sum(high for _, high in given)))


def _difference(one: Interval, other: Interval) -> Interval:
    return _sum(one, _negated(other))


def _large_sum(*given: Interval) -> Interval:
    low, high = _or_zero(_moved(*given))
    return low * _MANY, high * _MANY


def _product(one: Interval, other: Interval) -> Interval:
    ends = [a * b for a in one for b in other]
    return _wide((min(ends), max(ends)))


def _sum_of_products(one: Interval, other: Interval) -> Interval:
    return _large_sum(_product(one, other))


def _square(given: Interval) -> Interval:
    return _product(_size(given), _size(given))


def _squared_difference(one: Interval, other: Interval) -> Interval:
    return _square(_difference(one, other))


def _sum_of_squares(given: Interval) -> Interval:
    return _large_sum(_square(given))


def _cube(*given: Interval) -> Interval:
    most = (1 + _size(*given)[1]) ** 3
    return -most, most


def _power_of_e(given: Interval) -> Interval:
    return _wide((0.0, math.exp(min(given[1], 88.0)) if given[1] < 88 else math.inf))


def _reciprocal(given: Interval) -> Interval:
    low, high = given
    return _wide((1 / high, 1 / low)) if low > 0 else (-math.inf, math.inf)


def _elu(given: Interval) -> Interval:
    return -1.0, max(given[1], 0.0)


def _share(given: Interval) -> Interval:
    return 0.0, 1.0


def _wave(given: Interval) -> Interval:
    return -1.0, 1.0


# TensorFlow's types -> which inputs count, and the interval of the result from those of these.
_INTERVALS: Mapping[str, Tuple[slice, Callable[..., Interval]]] = {
    **_of(
        (
            "BroadcastTo", "DepthToSpace", "Enter", "ExpandDims", "Gather", "GatherV2", "Identity",
            "MaxPool", "Reshape", "ReverseV2", "Slice", "SpaceToDepth", "SplitV", "Squeeze",
            "StridedSlice", "Switch", "Tile", "Transpose", "Unpack",
        ),
        _moved, slice(1),
    ),
    **_of(("Fill", "Split"), _moved, slice(1, 2)),
    **_of(("Select", "SelectV2"), _moved, slice(1, 3)),
    **_of(("ConcatV2",), _moved, slice(-1)),
    **_of(("IdentityN", "Merge", "Pack"), _moved, slice(None)),
    **_of(("Pad",), _or_zero, slice(1)),
    **_of(("ReluGrad",), _or_zero, slice(2)),
    **_of(("Abs",), _size, slice(1)),
    **_of(("Neg",), _negated, slice(1)),
    **_of(("Relu", "Relu6"), _positive, slice(1)),
    **_of(("Maximum",), _at_least, slice(2)),
    **_of(("Minimum",), _at_most, slice(2)),
    **_of(("Add", "AddV2", "BiasAdd"), _sum, slice(2)),
    **_of(("AddN",), _sum, slice(None)),
    **_of(("Sub",), _difference, slice(2)),
    **_of(("BiasAddGrad", "Sum"), _large_sum, slice(1)),
    **_of(("MaxPoolGrad",), _large_sum, slice(2, 3)),
    **_of(("Mul",), _product, slice(2)),
    **_of(
        ("BatchMatMul", "BatchMatMulV2", "Conv2D", "DepthwiseConv2dNative", "MatMul"),
        _sum_of_products, slice(2),
    ),
    **_of(("Conv2DBackpropFilter",), _sum_of_products, slice(0, 3, 2)),
    **_of(("Conv2DBackpropInput",), _sum_of_products, slice(1, 3)),
    **_of(("L2Loss",), _sum_of_squares, slice(1)),
    **_of(("Square",), _square, slice(1)),
    **_of(("SquaredDifference",), _squared_difference, slice(2)),
    **_of(("EluGrad", "SigmoidGrad", "TanhGrad"), _cube, slice(2)),
    **_of(("Exp",), _power_of_e, slice(1)),
    **_of(("Reciprocal",), _reciprocal, slice(1)),
    **_of(("Elu",), _elu, slice(1)),
    **_of(("Sigmoid", "Softmax"), _share, slice(1)),
    **_of(("Cos", "Erf", "Sin", "Tanh"), _wave, slice(1)),
}  # fmt: skip
_INFINITE = frozenset(("Exp", "Reciprocal", "Softplus"))  # of a number a number, or infinity


class Bounds:
    """The intervals of the first outputs of nodes, as they are appended."""

    def __init__(self, nodes: Nodes, halves: Iterable[str] = ()) -> None:
        """Look at `nodes`; `halves` are tensors from elsewhere that hold float16 values."""
        self.nodes, self._seen = nodes, 0
        self._made: Dict[str, Any] = {}
        self._known: Dict[str, Interval] = dict.fromkeys(halves, ROUNDED)

    def of(self, tensor: str) -> Optional[Interval]:
        """Return between which numbers a float32 tensor is; None if it may be NaN or infinite."""
        self._look()
        return self._known.get(node_of(tensor))

    def put(self, tensor: str, interval: Interval) -> None:
        """Say between which numbers a tensor is."""
        self._known[node_of(tensor)] = interval

    def is_number(self, tensor: str) -> bool:
        """Return whether a tensor is no NaN anywhere; infinity it may be."""
        self._look()
        node = self._made.get(node_of(tensor))
        number = node.input[0] if node is not None and node.op in _INFINITE else tensor
        return self.of(number) is not None

    def is_small(self, tensor: str) -> bool:
        """Return whether rounding a tensor that is made here overflows nowhere."""
        interval = self.of(tensor)
        if interval is None or node_of(tensor) not in self._made:
            return False
        return max(-interval[0], interval[1]) <= rounding.OVERFLOW - 1

    def cast(self, tensor: str, name: str, final: Optional[str] = None) -> Handle:
        """Append the rounding of a tensor that is small."""
        half = self.nodes.cast(tensor, "float32", "float16", f"{name}/half")
        wide = self.nodes.cast(half, "float16", "float32", f"{name}/rounded", final)
        self.put(wide, self.of(tensor) or ROUNDED)
        self.put_rounded(wide)
        return wide

    def put_rounded(self, tensor: str) -> None:
        """Say that a tensor was rounded, if it is small: its ends may be a little further off."""
        low, high = self.of(tensor) or ROUNDED
        self.put(tensor, (float(np.float16(low)), float(np.float16(high))))

    def _look(self) -> None:
        made = self.nodes.made  # what a node takes is in front of it
        for node in made[self._seen :]:
            self._made[node.name] = node
            interval = self._found(node)
            if interval is not None and max(-interval[0], interval[1]) < _LARGEST:
                self._known.setdefault(node.name, interval)
        self._seen = len(made)

    def _found(self, node: Any) -> Optional[Interval]:
        if node.op == "Const":
            return self._constant(node)
        indices, interval = _INTERVALS.get(node.op, (slice(0), _moved))
        found = [self._known.get(node_of(text)) for text in data_inputs(node.input)[indices]]
        known: List[Interval] = [each for each in found if each is not None]
        return interval(*known) if known and len(known) == len(found) else None

    def _constant(self, node: Any) -> Optional[Interval]:
        value = self.nodes.tf.make_ndarray(node.attr["value"].tensor)
        if (
            value.dtype not in (np.float16, np.float32)
            or not value.size
            or not np.isfinite(value).all()
        ):
            return None
        return float(value.min()), float(value.max())
