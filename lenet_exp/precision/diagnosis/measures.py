"""How far two tensors are apart: nodes that measure it inside a graph, and what they say."""

from __future__ import annotations

from typing import NamedTuple, Sequence, Tuple

import numpy as np

from lenet_exp.precision.emulation.exact import rounding
from lenet_exp.precision.ir.builder import Nodes

SIZE = 13  # numbers that `measure` gives


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
    def flushed_share(self) -> float:
        """The share of the values that became 0, 0..1."""
        return self.flushed / self.values if self.values else 0.0


def measure(nodes: Nodes, pair: Tuple[str, str], name: str, half: bool) -> str:
    """Append nodes that compare a float32 value with the exact one; return float64 [SIZE].

    `half`: the value is float16 on the chip. Computed in float64: squares of gradients are small.
    """
    tf = nodes.tf
    flat = [nodes.reshape(each, [-1], f"{name}/flat") for each in pair]
    apart = nodes.float_op("Sub", flat, f"{name}/difference")
    wide = [nodes.cast(each, "float32", "float64", f"{name}/wide") for each in (*flat, apart)]
    kinds = {"T": tf.float64}
    rows = nodes.add("Pack", wide, f"{name}/rows", N=3, axis=0, **kinds)
    gram = nodes.add("MatMul", [rows, rows], f"{name}/gram", transpose_b=True, **kinds)
    products = nodes.reshape(gram, [-1], f"{name}/products", tf.float64)
    axis = nodes.constant(np.array([1], np.int32), np.int32)
    along = {"Tidx": tf.int32, "keep_dims": False}
    begin, size = nodes.constant(np.array([0], np.int32), np.int32), _abs(nodes, apart, name)
    largest = nodes.float_op("Max", [size, begin], f"{name}/largest", **along)
    most = nodes.cast(largest, "float32", "float64", f"{name}/most")
    counted = [_beyond(nodes, flat[0], name, half), _lost(nodes, flat[0], flat[1], name)]
    marks = nodes.add("Pack", counted, f"{name}/marks", N=2, axis=0, T=tf.bool)
    ones = nodes.cast(marks, "bool", "float64", f"{name}/ones")
    sums = nodes.add("Sum", [ones, axis], f"{name}/sums", **along, **kinds)
    number = nodes.add("Size", [flat[0]], f"{name}/number", T=tf.float32, out_type=tf.int32)
    total = nodes.cast(number, "int32", "float64", f"{name}/total")
    one = nodes.reshape(total, [1], f"{name}/one", tf.float64)
    parts = [
        products,
        nodes.reshape(most, [1], f"{name}/first", tf.float64),
        sums,
        one,
        nodes.constant(0, np.int32),
    ]
    return nodes.add("ConcatV2", parts, name, N=4, Tidx=tf.int32, **kinds)


def _beyond(nodes: Nodes, flat: str, name: str, half: bool) -> str:
    """Return bool [n]: at float16's end, or of float32 no finite number."""
    if half:
        size = nodes.float_op("Abs", [flat], f"{name}/magnitude")
        end = nodes.constant(rounding.LARGEST)
        return nodes.float_op("GreaterEqual", [size, end], f"{name}/beyond")
    finite = nodes.float_op("IsFinite", [flat], f"{name}/finite")
    return nodes.add("LogicalNot", [finite], f"{name}/beyond")


def _lost(nodes: Nodes, value: str, exact: str, name: str) -> str:
    """Return bool [n]: 0, where the exact value is not."""
    zero, tf = nodes.constant(0), nodes.tf
    options = {"T": tf.float32}
    is_zero = nodes.add("LessEqual", [_abs(nodes, value, name), zero], f"{name}/zero", **options)
    wanted = nodes.add("Greater", [_abs(nodes, exact, name), zero], f"{name}/wanted", **options)
    return nodes.add("LogicalAnd", [is_zero, wanted], f"{name}/lost")


def _abs(nodes: Nodes, tensor: str, name: str) -> str:
    return nodes.float_op("Abs", [tensor], f"{name}/abs")


def error_of(numbers: Sequence[np.ndarray]) -> Error:
    """Return the error of some tensors together; `numbers` float64 [SIZE] of each."""
    rows = np.asarray(numbers, np.float64).reshape(-1, SIZE)
    gram = rows[:, :9].sum(0).reshape(3, 3)
    most = rows[:, 9].max(initial=0.0)
    overflows, flushed, values = rows[:, 10:].sum(0)
    other, exact, apart = np.sqrt(np.maximum(np.diag(gram), 0))
    if not np.isfinite(exact):
        distance, cosine = 0.0, 1.0
    elif not np.isfinite(gram).all():
        distance, cosine = np.inf, 0.0
    else:
        distance = apart / exact if exact else (np.inf if apart else 0.0)
        both = other * exact
        cosine = float(np.clip(gram[0, 1] / both, -1, 1)) if both else float(other == exact)
    return Error(
        cosine, float(distance), float(most), int(values), int(overflows), int(flushed),
        float(exact),
    )  # fmt: skip
