"""Vector operators whose float16 kernels do more than compute in float32 and round once.

Source: precision-modes.md 8.2, from the kernels' own code.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Sequence, Union

import numpy as np

from lenet_exp.precision.emulation.exact.arithmetic import Exact, Fast
from lenet_exp.precision.ir.op_defs import attribute
from lenet_exp.precision.target.modes import Generation

Arithmetic = Union[Exact, Fast]
# (arithmetic, node, its inputs, its name, generation) -> the output under that name
Kernel = Callable[[Arithmetic, Any, Sequence[str], str, Generation], str]
_LEAST_SIGMOID = -11.0859375  # -11.089 as float16: exp(11.09) would overflow


def _sigmoid(
    a: Arithmetic, node: Any, inputs: Sequence[str], name: str, generation: Generation
) -> str:
    today = generation is Generation.TODAY
    value = a.begin(inputs[0])
    if today:
        value = a.step("Maximum", [value, a.constant(_LEAST_SIGMOID)], f"{name}/clamped")
    negated = a.step("Neg", [value], f"{name}/negated")
    power = a.step("Exp", [negated], f"{name}/exp")
    if not today:
        # Its overflow is lost in 1 / (1 + exp).
        a.end(power, f"{name}/exp_checked")
    total = a.step("AddV2", [a.constant(1), power], f"{name}/total")
    result = a.step("Reciprocal", [total], f"{name}/reciprocal")
    return a.end(result, name, final=name, sure=True)


def _sigmoid_grad(
    a: Arithmetic, node: Any, inputs: Sequence[str], name: str, generation: Generation
) -> str:
    output, gradient = inputs
    op, one = a.nodes.float_op, a.nodes.constant(1)
    if generation is Generation.TODAY:
        rest = op("Sub", [one, output], f"{name}/rest")
        product = op("Mul", [gradient, rest], f"{name}/product")
        wide = op("Mul", [product, output], f"{name}/wide")
    else:
        square = op("Mul", [output, output], f"{name}/square")
        slope = op("Sub", [output, square], f"{name}/slope")
        wide = op("Mul", [slope, gradient], f"{name}/wide")
    return a.rounded(wide, name, final=name)


def _mean(
    a: Arithmetic, node: Any, inputs: Sequence[str], name: str, generation: Generation
) -> str:
    """X * float32(1 / n), summed in float32, rounded once."""
    nodes, tf = a.nodes, a.nodes.tf
    kinds = {"T": tf.float32, "Tidx": tf.as_dtype(attribute(node, "Tidx").type)}
    kinds["keep_dims"] = bool(attribute(node, "keep_dims").b)
    left = nodes.add("Sum", [inputs[0], inputs[1]], f"{name}/left", **kinds)
    counts = []
    for tensor, what in ((inputs[0], "all"), (left, "results")):
        size = nodes.add("Size", [tensor], f"{name}/{what}", T=tf.float32, out_type=tf.int32)
        counts.append(nodes.cast(size, "int32", "float32", f"{name}/{what}_float"))
    each = nodes.float_op("RealDiv", counts, f"{name}/each")
    share = nodes.float_op("RealDiv", [nodes.constant(1), each], f"{name}/share")
    scaled = nodes.float_op("Mul", [inputs[0], share], f"{name}/scaled")
    wide = nodes.add("Sum", [scaled, inputs[1]], f"{name}/wide", **kinds)
    return a.rounded(wide, name, final=name)


def tiled_bias(a: Fast, inputs: Sequence[str], shape: Sequence[int], name: str) -> str:
    """Return BiasAdd's output of this shape, channels last, by a float16 addition.

    A row as long as an example: additions of a few channels at a time are slow.
    """
    nodes, int32 = a.nodes, a.nodes.tf.int32
    value, bias = map(a.begin, inputs)
    kinds = {"T": nodes.tf.float16, "Tshape": int32}
    flat, whole = (
        nodes.constant(np.array(each, np.int32), np.int32)
        for each in ([shape[0], int(np.prod(shape[1:]))], shape)
    )
    times = nodes.constant(np.array([int(np.prod(shape[1:-1]))], np.int32), np.int32)
    rows = nodes.add("Reshape", [value, flat], f"{name}/rows", **kinds)
    row = nodes.add("Tile", [bias, times], f"{name}/row", T=nodes.tf.float16, Tmultiples=int32)
    total = a.step("AddV2", [rows, row], f"{name}/total")
    back = nodes.add("Reshape", [total, whole], f"{name}/back", **kinds)
    return a.end(back, name, final=name)


def _sqrt(
    a: Arithmetic, node: Any, inputs: Sequence[str], name: str, generation: Generation
) -> str:
    root = a.step("Sqrt", [a.begin(inputs[0])], f"{name}/root")
    return a.end(root, name, final=name)


SPECIAL: Dict[str, Kernel] = {
    "Sqrt": _sqrt,
    "Sigmoid": _sigmoid,
    "SigmoidGrad": _sigmoid_grad,
    "ReduceMean": _mean,
    "ReduceMeanD": _mean,
}
