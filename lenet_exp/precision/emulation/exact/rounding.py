"""float32 tensors -> the float16 values the chip would hold, still as float32.

Source: precision-modes.md 8.3: to nearest, ties to even, subnormals kept, saturation at +-65504,
NaN becomes 0.
"""

from __future__ import annotations

from typing import Optional

import numpy as np

from lenet_exp.precision.ir.builder import Handle, Nodes

LARGEST = 65504.0
OVERFLOW = 65520.0  # what is below rounds to 65504 in IEEE too: no overflow is recorded
_SMALLEST_NORMAL = np.float32(2.0**-14)


def round_array(values: np.ndarray, flush: bool = False) -> np.ndarray:
    """Return float32 `values` rounded as the compiler's host cast does; no flag is set by it.

    `flush`: subnormal results become 0, for comparison only.
    """
    held = np.clip(
        np.nan_to_num(values, nan=0.0, posinf=LARGEST, neginf=-LARGEST), -LARGEST, LARGEST
    )
    rounded = held.astype(np.float16).astype(np.float32)
    if flush:
        rounded = np.where(np.abs(rounded) < _SMALLEST_NORMAL, np.float32(0) * rounded, rounded)
    return np.asarray(rounded, np.float32)


def saturated(nodes: Nodes, tensor: str, name: str, final: Optional[str] = None) -> Handle:
    """Return float32 `tensor` within +-65504, NaN as 0; anything below 65520 rounds the same."""
    is_nan = nodes.float_op("IsNan", [tensor], f"{name}/nan")
    number = without_nan(nodes, tensor, is_nan, name, "finite")
    most = nodes.float_op("Minimum", [number, nodes.constant(LARGEST)], f"{name}/most")
    ends = [most, nodes.constant(-LARGEST)]
    return nodes.float_op("Maximum", ends, f"{name}/saturated", final=final)


def without_nan(nodes: Nodes, tensor: str, is_nan: str, name: str, result: str) -> Handle:
    """Return float32 `tensor` with 0 where it `is_nan`; its name ends with `result`."""
    number = nodes.add("LogicalNot", [is_nan], f"{name}/number")
    kept = nodes.cast(number, "bool", "float32", f"{name}/kept")
    # Not a Select: it would want zeros of the same shape.
    return nodes.float_op("MulNoNan", [tensor, kept], f"{name}/{result}")


def flushed(nodes: Nodes, tensor: str, name: str, final: Optional[str] = None) -> Handle:
    """Return a rounded `tensor` with its subnormal values as 0."""
    size = nodes.float_op("Abs", [tensor], f"{name}/size")
    least = nodes.constant(_SMALLEST_NORMAL)
    normal = nodes.float_op("GreaterEqual", [size, least], f"{name}/normal")
    kept = nodes.cast(normal, "bool", "float32", f"{name}/kept")
    return nodes.float_op("Mul", [tensor, kept], f"{name}/flushed", final=final)


def in_range(nodes: Nodes, tensor: str, name: str) -> str:
    """Return bool []: no value of float32 `tensor` overflows float16, and none is NaN."""
    size = nodes.float_op("Abs", [tensor], f"{name}/size")
    small = nodes.float_op("Less", [size, nodes.constant(OVERFLOW)], f"{name}/small")
    return all_of(nodes, small, name)


def finite(nodes: Nodes, tensor: str, name: str) -> str:
    """Return bool []: every value of float32 `tensor` is finite."""
    each = nodes.float_op("IsFinite", [tensor], f"{name}/finite")
    return all_of(nodes, each, name)


def all_of(nodes: Nodes, tensor: str, name: str) -> str:
    """Return bool []: all of a bool tensor of any shape."""
    flat = nodes.reshape(tensor, [-1], f"{name}/flat", nodes.tf.bool)
    first = nodes.constant(np.array([0], np.int32), np.int32)
    return nodes.add("All", [flat, first], f"{name}/all", Tidx=nodes.tf.int32, keep_dims=False)
