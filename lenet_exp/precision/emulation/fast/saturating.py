"""The letter's values with fewer operations, where no flag and no trace is wanted.

TensorFlow's own cast leaves infinity where the chip saturates: that is cut off afterwards. NaN is
only looked for where it may come from: not in sums and products of numbers that float16 has.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from lenet_exp.precision.emulation.exact import rounding
from lenet_exp.precision.emulation.exact.arithmetic import Arithmetic
from lenet_exp.precision.emulation.fast.cut_off import cut_off
from lenet_exp.precision.ir.builder import Handle, Nodes, data_inputs
from lenet_exp.precision.ir.names import node_of

_ROUNDED = 16  # float16 has numbers below 2 ** 16
_MANY = 40  # sums of fewer than 2 ** 40 values
_LARGEST = 127  # float32 has numbers below 2 ** 128


def _of(types: Sequence[str], power: Callable[..., int], places: slice) -> Mapping[str, Any]:
    return dict.fromkeys(types, (places, power))


def _moved(*powers: int) -> int:
    return max(powers)


def _sum(*powers: int) -> int:
    return max(powers) + 1


def _large_sum(*powers: int) -> int:
    return max(powers) + _MANY


def _product(*powers: int) -> int:
    return sum(powers)


def _sum_of_products(*powers: int) -> int:
    return sum(powers) + _MANY


def _sum_of_squares(*powers: int) -> int:
    return 2 * (max(powers) + 1) + _MANY


def _cube(*powers: int) -> int:
    return 3 * (max(powers) + 1)


def _as_before(*powers: int) -> int:
    return max(_ROUNDED, *powers)


# TensorFlow's types -> which inputs count, and below which power of 2 the result is, from those
# of these inputs.
_POWERS: Mapping[str, Tuple[slice, Callable[..., int]]] = {
    **_of(
        (
            "Abs", "BroadcastTo", "DepthToSpace", "ExpandDims", "Gather", "GatherV2", "Identity",
            "MaxPool", "Neg", "Pad", "Relu", "Relu6", "Reshape", "ReverseV2", "Slice",
            "SpaceToDepth", "SplitV", "Squeeze", "StridedSlice", "Tile", "Transpose", "Unpack",
        ),
        _moved, slice(1),
    ),
    **_of(("Fill", "Split"), _moved, slice(1, 2)),
    **_of(("Select", "SelectV2"), _moved, slice(1, 3)),
    **_of(("Maximum", "Minimum", "ReluGrad"), _moved, slice(2)),
    **_of(("ConcatV2",), _moved, slice(-1)),
    **_of(("IdentityN", "Pack"), _moved, slice(None)),
    **_of(("Add", "AddV2", "BiasAdd", "Sub"), _sum, slice(2)),
    **_of(("AddN",), _large_sum, slice(None)),
    **_of(("BiasAddGrad", "Sum"), _large_sum, slice(1)),
    **_of(("MaxPoolGrad",), _large_sum, slice(2, 3)),
    **_of(("Mul",), _product, slice(2)),
    **_of(
        ("BatchMatMul", "BatchMatMulV2", "Conv2D", "DepthwiseConv2dNative", "MatMul"),
        _sum_of_products, slice(2),
    ),
    **_of(("Conv2DBackpropFilter",), _sum_of_products, slice(0, 3, 2)),
    **_of(("Conv2DBackpropInput",), _sum_of_products, slice(1, 3)),
    **_of(("L2Loss", "Square"), _sum_of_squares, slice(1)),
    **_of(("SquaredDifference",), _sum_of_squares, slice(2)),
    **_of(("EluGrad", "SigmoidGrad", "TanhGrad"), _cube, slice(2)),
    **_of(("Cos", "Elu", "Erf", "Sigmoid", "Sin", "Softmax", "Tanh"), _as_before, slice(1)),
}  # fmt: skip
_CHOICES = frozenset(("Maximum", "Minimum", "Neg"))
_INFINITE = frozenset(("Exp", "Reciprocal", "Softplus"))  # of a number a number, or infinity


def certain_step(
    nodes: Nodes, op: str, inputs: Sequence[str], name: str, sure: bool
) -> Optional[Handle]:
    """Append an operation of rounded float32 tensors that is not beyond 65504; None if it may be.

    Not rounded is what only chooses a value, or its sign.
    """
    if not sure and op not in _CHOICES:
        return None
    made = nodes.float_op(op, inputs, name)
    if op in _CHOICES:
        return made
    half = nodes.cast(made, "float32", "float16", f"{name}/half")
    return nodes.cast(half, "float16", "float32", f"{name}/rounded")


class Saturating(Arithmetic):
    """Casts, and what they leave beyond 65504 cut off; nothing is tested."""

    def __init__(
        self,
        nodes: Nodes,
        halves: Iterable[str] = (),
        cast: Mapping[str, str] = MappingProxyType({}),
        function: Any = None,
    ) -> None:
        """Append to `nodes`.

        Args:
            nodes: of a graph or of a function.
            halves: tensors from elsewhere that hold float16 values already.
            cast: float16 forms of others, infinite where that overflowed.
            function: of `cut_off.py`; saturates them, and square roots, where it has to.
        """
        super().__init__(nodes)
        self._made: Dict[str, Any] = {}
        # Of nodes whose outputs are numbers below 2 ** this.
        self._powers: Dict[str, int] = dict.fromkeys(halves, _ROUNDED)
        self._cast, self._function = cast, function

    def rounded(self, tensor: str, name: str, final: Optional[str] = None) -> Handle:
        """Return a float32 tensor as the float16 values the chip holds, still as float32."""
        if tensor in self._cast:
            return self._where_needed(self._cast[tensor], name, final)
        nodes, small, number = self.nodes, self._is_small(tensor), self._is_number(tensor)
        half = nodes.cast(tensor, "float32", "float16", f"{name}/half")
        wide = nodes.cast(half, "float16", "float32", f"{name}/rounded", final if small else None)
        held = wide
        if not small:
            ends = [nodes.constant(-rounding.LARGEST), nodes.constant(rounding.LARGEST)]
            last = final if number else None
            held = nodes.float_op("ClipByValue", [wide, *ends], f"{name}/held", final=last)
        if not number:
            is_nan = nodes.float_op("IsNan", [wide], f"{name}/nan")
            zeros = nodes.float_op("ZerosLike", [wide], f"{name}/zeros")
            chosen = [is_nan, zeros, held]
            held = nodes.float_op("Select", chosen, f"{name}/number", final=final)
        self._powers[held] = _ROUNDED
        return held

    def step(self, op: str, inputs: Sequence[str], name: str, sure: bool = False) -> str:
        """Return one operation, rounded once; not what only chooses a value, or its sign."""
        if all(self._power(text) == _ROUNDED for text in inputs):
            made = certain_step(self.nodes, op, inputs, name, sure)
            if made is not None:
                self._powers[made] = _ROUNDED
                return made
        if op == "Sqrt" and self._function is not None:
            half = self.nodes.cast(self._root(inputs[0], name), "float32", "float16", name)
            return self._where_needed(half, name)
        return super().step(op, inputs, name)

    def _where_needed(self, half: str, name: str, final: Optional[str] = None) -> Handle:
        nodes = self.nodes
        wide = nodes.cast(half, "float16", "float32", f"{name}/rounded")
        either = cut_off(nodes, wide, self._function, name)
        both = [either.held, either.passed]
        held = nodes.float_op("Merge", both, f"{name}/held", final=final, N=2)
        self._powers[held] = _ROUNDED
        return held

    def _is_number(self, tensor: str) -> bool:
        """Return whether a tensor is no NaN anywhere; infinity it may be."""
        node = self._maker(tensor)
        if node is not None and node.op in _INFINITE:
            return self._power(node.input[0]) is not None
        return self._power(tensor) is not None

    def _is_small(self, tensor: str) -> bool:
        """Return whether a tensor is within +-65504 everywhere, in front of its rounding."""
        return self._maker(tensor) is not None and self._power(tensor) == _ROUNDED

    def _power(self, tensor: str) -> Optional[int]:
        self._maker(tensor)
        return self._powers.get(node_of(tensor))

    def _maker(self, tensor: str) -> Optional[Any]:
        """Return the node that makes a tensor; None if it is none of these."""
        for node in self.nodes.made[len(self._made) :]:  # what a node takes is in front of it
            self._made[node.name] = node
            power = self._found(node)
            if power is not None and power <= _LARGEST:
                self._powers.setdefault(node.name, power)
        return self._made.get(node_of(tensor))

    def _found(self, node: Any) -> Optional[int]:
        if node.op == "Const":
            value = self.nodes.tf.make_ndarray(node.attr["value"].tensor)
            held = value.dtype == np.float32 and (np.abs(value) <= rounding.LARGEST).all()
            return _ROUNDED if held else None
        places, power = _POWERS.get(node.op, (slice(0), _moved))
        found = [self._powers.get(node_of(text)) for text in data_inputs(node.input)[places]]
        known: List[int] = [each for each in found if each is not None]
        return power(*known) if known and len(known) == len(found) else None
