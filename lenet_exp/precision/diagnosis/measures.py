"""How far two tensors are apart: nodes that measure it inside a graph, and what they say."""

from __future__ import annotations

import math
from typing import NamedTuple, Optional, Sequence, Tuple

import numpy as np

from lenet_exp.precision.emulation.exact import rounding
from lenet_exp.precision.ir.builder import Nodes

SIZE = 8  # numbers that `measure` gives


class Error(NamedTuple):
    """How far a value is from the exact one.

    `cosine` of the angle between both, as vectors; `distance`: Euclidean, of the exact value's
    norm; `largest` absolute difference; `values` compared, of which `overflows` are at float16's
    end or no number, and `flushed` are 0 and ought not to be. `exact`: the exact value's norm;
    where that is not finite there is nothing to compare with, and no distance.
    """

    cosine: float
    distance: float
    largest: float
    values: int
    overflows: int
    flushed: int
    exact: float

    @property
    def agreement(self) -> float:
        """The cosine, or less where the size is wrong, -1..1: what a target asks for.

        Of two vectors of one length the cosine is 1 - distance^2 / 2: that, not below 0, is the
        most that it is here. So a distance is as bad whether it turns a vector or makes it longer.
        """
        return min(self.cosine, max(0.0, 1 - self.distance**2 / 2))

    @property
    def flushed_share(self) -> float:
        """The share of the values that became 0, 0..1."""
        return self.flushed / self.values if self.values else 0.0


class Exact(NamedTuple):
    """Nodes of an exact float32 value, which several values can be compared with.

    `flat` [1, n], as float64 `wide`; `square` of its norm, float64 [1, 1]; `wanted` bool [1, n]:
    not 0; `values` that it has, float64 [1, 1].
    """

    flat: str
    wide: str
    square: str
    wanted: str
    values: str


def exact(nodes: Nodes, tensor: str, name: str) -> Exact:
    """Append what is needed of an exact float32 tensor, of any shape."""
    tf = nodes.tf
    flat, wide = _flat(nodes, tensor, f"{name}/exact")
    zero, kinds = nodes.constant(0), {"T": tf.float32}
    wanted = nodes.add("NotEqual", [flat, zero], f"{name}/wanted", **kinds)
    number = nodes.add("Size", [flat], f"{name}/number", T=tf.float32, out_type=tf.int32)
    values = nodes.cast(number, "int32", "float64", f"{name}/values")
    one = nodes.reshape(values, [1, 1], f"{name}/one", tf.float64)
    return Exact(flat, wide, _product(nodes, wide, wide, name), wanted, one)


def in_float32(nodes: Nodes, tensor: str, dtype: str, name: str) -> str:
    """Return a tensor of any `dtype` of the graph in float32, of a complex one both parts of each.

    float16 is float32 already, where it is emulated.
    """
    if dtype.startswith("complex"):
        tf, dtype = nodes.tf, "float32" if dtype == "complex64" else "float64"
        kinds = {"T": tf.complex64 if dtype == "float32" else tf.complex128}
        tensor = nodes.add("Bitcast", [tensor], f"{name}/parts", type=tf.as_dtype(dtype), **kinds)
    if dtype in ("float16", "float32"):
        return tensor
    return nodes.cast(tensor, dtype, "float32", f"{name}/float32")


def measure(
    nodes: Nodes, tensor: str, right: Exact, name: str, half: bool, held: Optional[str] = None
) -> str:
    """Append nodes that compare a float32 tensor with the exact one; return float64 [SIZE, 1].

    Computed in float64: squares of gradients are small.

    Args:
        nodes: are appended to.
        tensor: is compared.
        right: the exact one.
        name: of the last node.
        half: the tensor is float16 on the chip.
        held: of a change: what it led to, which may overflow.
    """
    tf, doubles = nodes.tf, {"T": nodes.tf.float64}
    flat, wide = _flat(nodes, tensor, name)
    apart = nodes.float_op("Sub", [flat, right.flat], f"{name}/difference")
    rest = nodes.cast(apart, "float32", "float64", f"{name}/rest")
    sides = (wide, wide), (wide, right.wide), (rest, rest)
    products = [_product(nodes, *each, name) for each in sides]
    axis = nodes.constant(np.array([1], np.int32), np.int32)
    along = {"Tidx": tf.int32, "keep_dims": True}
    size = nodes.float_op("Abs", [apart], f"{name}/abs")
    largest = nodes.float_op("Max", [size, axis], f"{name}/largest", **along)
    most = nodes.cast(largest, "float32", "float64", f"{name}/most")
    is_zero = nodes.add("Equal", [flat, nodes.constant(0)], f"{name}/zero", T=tf.float32)
    lost = nodes.add("LogicalAnd", [is_zero, right.wanted], f"{name}/lost")
    begin = nodes.constant(0, np.int32)
    whole = flat if held is None else nodes.reshape(held, [1, -1], f"{name}/held")
    marks = nodes.add("ConcatV2", [_beyond(nodes, whole, name, half), lost, begin],
                      f"{name}/marks", N=2, Tidx=tf.int32, T=tf.bool)  # fmt: skip
    ones = nodes.cast(marks, "bool", "int32", f"{name}/ones")
    counts = nodes.add("Sum", [ones, axis], f"{name}/counts", **along, T=tf.int32)
    sums = nodes.cast(counts, "int32", "float64", f"{name}/sums")
    parts = [*products, right.square, most, sums, right.values, begin]
    return nodes.add("ConcatV2", parts, name, N=7, Tidx=tf.int32, **doubles)


def _flat(nodes: Nodes, tensor: str, name: str) -> Tuple[str, str]:
    """Return a tensor as [1, n], and that in float64."""
    flat = nodes.reshape(tensor, [1, -1], f"{name}/flat")
    return flat, nodes.cast(flat, "float32", "float64", f"{name}/wide")


def _product(nodes: Nodes, left: str, right: str, name: str) -> str:
    """Return the inner product of two float64 [1, n] as [1, 1]."""
    kinds = {"T": nodes.tf.float64, "transpose_b": True}
    return nodes.add("MatMul", [left, right], f"{name}/product", **kinds)


def _beyond(nodes: Nodes, flat: str, name: str, half: bool) -> str:
    """Return bool [1, n]: at float16's end, or of float32 no finite number."""
    size = nodes.float_op("Abs", [flat], f"{name}/magnitude")
    end = nodes.constant(rounding.LARGEST if half else np.inf)
    within = nodes.float_op("Less", [size, end], f"{name}/within")  # no NaN is
    return nodes.add("LogicalNot", [within], f"{name}/beyond")


def error_of(numbers: Sequence[np.ndarray]) -> Error:
    """Return the error of some tensors together; `numbers` float64 [SIZE, 1] of each."""
    rows = np.asarray(numbers, np.float64).reshape(-1, SIZE)
    whole = rows.sum(0)
    whole[4] = rows[:, 4].max(initial=0.0)
    value, both, rest, right, most, overflows, flushed, values = whole.tolist()
    other, size, apart = (math.sqrt(each) for each in (value, right, rest))
    if not math.isfinite(size):
        distance, cosine = 0.0, 1.0
    elif not all(map(math.isfinite, (value, both, rest))):
        distance, cosine = math.inf, 0.0
    else:
        distance = apart / size if size else (math.inf if apart else 0.0)
        norms = other * size
        cosine = min(1.0, max(-1.0, both / norms)) if norms else float(other == size)
    return Error(
        cosine, distance, most, int(values), int(overflows), int(flushed), size,
    )  # fmt: skip
