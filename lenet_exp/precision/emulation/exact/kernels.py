"""Operators whose float16 kernels do more than compute in float32 and round once.

Of vectors, and of optimizers: what a variable and its slots become. Variables stay float32 in
memory and hold float16 values. Source: precision-modes.md 8.2, from the kernels' own code.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

from lenet_exp.precision.emulation.exact.arithmetic import Arithmetic
from lenet_exp.precision.ir.builder import Handle
from lenet_exp.precision.ir.op_defs import attribute
from lenet_exp.precision.target.modes import Generation

# (arithmetic, node, its tensors, generation) -> the output under the node's name; None to compute
# the node as it is
Kernel = Callable[[Arithmetic, Any, Sequence[str], Generation], Optional[Handle]]
_LEAST_SIGMOID = -11.0859375  # -11.089 as float16: exp(11.09) would overflow


def _sigmoid(a: Arithmetic, node: Any, inputs: Sequence[str], generation: Generation) -> Handle:
    name, today = node.name, generation is Generation.TODAY
    value = a.begin(inputs[0])
    if today:
        value = a.step("Maximum", [value, a.constant(_LEAST_SIGMOID)], f"{name}/clamped")
    negated = a.step("Neg", [value], f"{name}/negated")
    power = a.step("Exp", [negated], f"{name}/exp", sure=today)
    if not today:
        # Its overflow is lost in 1 / (1 + exp).
        a.end(power, f"{name}/exp_checked")
    total = a.step("AddV2", [a.constant(1), power], f"{name}/total", sure=today)
    result = a.step("Reciprocal", [total], f"{name}/reciprocal", sure=True)
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


def _square(
    a: Arithmetic, node: Any, inputs: Sequence[str], generation: Generation
) -> Optional[Handle]:
    """Return the square that a Pow became, exact before it is rounded: TensorFlow's Pow is not."""
    if node.op != "Pow":
        return None
    op = a.nodes.float_op
    ones = op("OnesLike", [inputs[1]], f"{node.name}/ones")  # the exponent has a shape too
    value = op("Mul", [inputs[0], ones], f"{node.name}/shaped")
    return a.rounded(op("Square", [value], f"{node.name}/wide"), node.name, final=node.name)


KERNELS: Dict[str, Kernel] = {
    "Square": _square,
    "Sqrt": _sqrt,
    "Sigmoid": _sigmoid,
    "SigmoidGrad": _sigmoid_grad,
    "ReduceMean": _mean,
    "ReduceMeanD": _mean,
}


class Update(NamedTuple):
    """An update operator: how many of its first inputs are variables, and what they become.

    `gradient` is the index of the only other input that is no scalar.
    `new_values(arithmetic, node, inputs)`: `inputs` float16-valued float32 tensors, the
    variables' values first; the results likewise, in the variables' order.
    """

    variables: int
    gradient: int
    new_values: Callable[[Arithmetic, Any, Sequence[str]], List[str]]


def _adam(a: Arithmetic, node: Any, inputs: Sequence[str]) -> List[str]:
    name = node.name
    var, m, v, power1, power2, rate, beta1, beta2, epsilon, gradient = map(a.begin, inputs)

    def step(op: str, one: str, other: str, what: str) -> str:
        return a.step(op, [one, other], f"{name}/{what}")

    one = a.constant(1)
    rest1, rest2 = step("Sub", one, beta1, "rest1"), step("Sub", one, beta2, "rest2")
    change1 = step("Mul", a.hidden(step("Sub", gradient, m, "from_m")), rest1, "change1")
    new_m = step("AddV2", m, change1, "new_m")
    square = step("Mul", gradient, gradient, "square")
    change2 = step("Mul", a.hidden(step("Sub", square, v, "from_v")), rest2, "change2")
    new_v = step("AddV2", v, change2, "new_v")
    left = step("Sub", one, power2, "left2")
    factor = step("Mul", a.step("Sqrt", [left], f"{name}/root2"), rate, "scaled_rate")
    factor = step("RealDiv", factor, step("Sub", one, power1, "left1"), "factor")
    below = step("AddV2", a.step("Sqrt", [new_v], f"{name}/root"), epsilon, "below")
    direction = new_m
    if attribute(node, "use_nesterov").b:
        ahead = step("Mul", new_m, beta1, "ahead")
        direction = step("AddV2", ahead, step("Mul", gradient, rest1, "now"), "direction")
    above = step("Mul", direction, factor, "above")
    new_var = step("Sub", var, step("RealDiv", above, below, "move"), "new_var")
    ends = (("var", new_var), ("m", new_m), ("v", new_v))
    return [a.end(value, f"{name}/{what}") for what, value in ends]


def _gradient_descent(a: Arithmetic, node: Any, inputs: Sequence[str]) -> List[str]:
    name, (var, rate, gradient) = node.name, map(a.begin, inputs)
    move = a.step("Mul", [rate, gradient], f"{name}/move")
    return [a.end(a.step("Sub", [var, move], f"{name}/new_var"), f"{name}/var")]


def _momentum(a: Arithmetic, node: Any, inputs: Sequence[str]) -> List[str]:
    name, op = node.name, a.nodes.float_op
    var, accum, rate, gradient, momentum = inputs
    carried = op("Mul", [accum, momentum], f"{name}/carried")
    new_accum = op("AddV2", [carried, gradient], f"{name}/new_accum")
    move = op("Mul", [rate, new_accum], f"{name}/move")
    if attribute(node, "use_nesterov").b:
        ahead = op("Mul", [move, momentum], f"{name}/ahead")
        move = op("AddV2", [op("Mul", [gradient, rate], f"{name}/now"), ahead], f"{name}/both")
    new_var = op("Sub", [var, move], f"{name}/new_var")
    return [a.rounded(new_var, f"{name}/var"), a.rounded(new_accum, f"{name}/accum")]


UPDATES: Dict[str, Update] = {
    "ApplyAdam": Update(3, 9, _adam),
    "ApplyAdamD": Update(3, 9, _adam),
    "ApplyGradientDescent": Update(1, 2, _gradient_descent),
    "ApplyMomentum": Update(2, 3, _momentum),
    "ApplyMomentumD": Update(2, 3, _momentum),
}
