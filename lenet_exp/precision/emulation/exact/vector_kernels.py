"""Vector operators whose float16 kernels do more than compute in float32 and round once.

Source: precision-modes.md 8.2, from the kernels' own code.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Sequence

from lenet_exp.precision.emulation.exact.arithmetic import Arithmetic
from lenet_exp.precision.ir.builder import Handle
from lenet_exp.precision.ir.op_defs import attribute
from lenet_exp.precision.target.modes import Generation

# (arithmetic, node, its tensors, generation) -> the output under the node's name
Kernel = Callable[[Arithmetic, Any, Sequence[str], Generation], Handle]
_LEAST_SIGMOID = -11.0859375  # -11.089 as float16: exp(11.09) would overflow


def _sigmoid(a: Arithmetic, node: Any, inputs: Sequence[str], generation: Generation) -> Handle:
    name, today = node.name, generation is Generation.TODAY
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
    a: Arithmetic, node: Any, inputs: Sequence[str], generation: Generation
) -> Handle:
    name, (output, gradient) = node.name, inputs
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


def _mean(a: Arithmetic, node: Any, inputs: Sequence[str], generation: Generation) -> Handle:
    """X * float32(1 / n), summed in float32, rounded once."""
    name, nodes, tf = node.name, a.nodes, a.nodes.tf
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


def _sqrt(a: Arithmetic, node: Any, inputs: Sequence[str], generation: Generation) -> Handle:
    root = a.step("Sqrt", [a.begin(inputs[0])], f"{node.name}/root")
    return a.end(root, node.name, final=node.name)


KERNELS: Dict[str, Kernel] = {
    "Sqrt": _sqrt,
    "Sigmoid": _sigmoid,
    "SigmoidGrad": _sigmoid_grad,
    "ReduceMean": _mean,
    "ReduceMeanD": _mean,
}
