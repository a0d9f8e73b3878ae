"""What the compiler fuses before types are chosen, as far as it changes a type.

Source: precision-modes.md 7.
"""

from __future__ import annotations

import functools
from typing import AbstractSet, Callable, Mapping, Tuple

from lenet_exp.precision.ir.names import Tensor
from lenet_exp.precision.ir.op_traits import BIAS_ADDS, CONVOLUTIONS, MATMULS, MOMENTUMS
from lenet_exp.precision.ir.operators import GraphOperator, Input, Output
from lenet_exp.precision.planning.compilation import Compilation
from lenet_exp.precision.planning.fusions.gelu import gelu
from lenet_exp.precision.planning.fusions.pool import Pool
from lenet_exp.precision.planning.fusions.products import constant_square, scaled_sum
from lenet_exp.precision.planning.fusions.softmax import log_softmax_gradient
from lenet_exp.precision.planning.match_rules import by_rule
from lenet_exp.precision.target import fusion_switches
from lenet_exp.precision.target.fusion_rules import fusion_rules
from lenet_exp.precision.target.operator_library import node_columns


def fuse(state: Compilation) -> Compilation:
    """Put fused operators in the place of their first parts, in the functions of calls too.

    A pass that a fusion switch file switches off makes nothing.
    """
    pool = Pool(state)
    for rule in (rule for name, rule in _RULES.items() if name not in state.options.off):
        for name in list(pool.operators):
            operator = pool.operators.get(name)
            if operator is not None:
                rule(pool, operator)
    position = {name: index for index, name in enumerate(state.graph.nodes)}
    made = sorted(pool.operators.values(), key=lambda each: (position[each.parts[0]], each.name))
    operators = {operator.name: operator for operator in made}
    functions = {
        call: tuple(each._replace(state=fuse(each.state)) for each in called)
        for call, called in state.functions.items()
    }
    return state._replace(operators=operators, functions=functions)


def _fused_bias(owners: AbstractSet[str], pool: Pool, operator: GraphOperator) -> None:
    """Conv + BiasAdd, MatMul + BiasAdd, or + Add of a constant, become one with a bias."""
    if operator.ge_type not in BIAS_ADDS and operator.tf_type not in ("Add", "AddV2"):
        return
    for index in (0, 1) if operator.ge_type == "Add" else (0,):
        owner = pool.producer(operator.inputs[index].source)
        bias = operator.inputs[1 - index]
        if owner is None or owner.ge_type not in owners:
            continue
        if _takes_bias(pool, owner, operator, bias):
            made = owner._replace(inputs=(*owner.inputs, bias), outputs=operator.outputs)
            pool.join((owner, operator), made)
            return


def _takes_bias(pool: Pool, owner: GraphOperator, adds: GraphOperator, bias: Input) -> bool:
    if len(owner.inputs) != 2 or not pool.only_feeds(owner, adds):
        return False
    if adds.ge_type in BIAS_ADDS:
        return owner.ge_type in MATMULS or (owner.ge_type in CONVOLUTIONS and bias.late)
    shape = pool.shapes.get(bias.source)
    if shape is None or not (bias.constant and bias.late):
        return False
    if owner.ge_type in MATMULS:
        product = pool.shapes.get(owner.outputs[0].key)
        return product is not None and shape == product[-1:]
    a_channel = len(shape) == 1 or (len(shape) >= 4 and set(shape) == {1})
    return owner.ge_type in CONVOLUTIONS and a_channel


def _relu_pair(pool: Pool, operator: GraphOperator) -> None:
    """Relu with one ReluGrad behind it, static and 4-D: ReluV2 and ReluGradV2 (a mask)."""
    if operator.ge_type != "Relu" or len(operator.outputs) != 1:
        return
    output = operator.outputs[0]
    grads = [
        pool.operators[use.name]
        for use in pool.uses(output.key)
        if use.slot == 1 and pool.operators[use.name].ge_type == "ReluGrad"
    ]
    shape = pool.shapes.get(output.key)
    if len(grads) != 1 or shape is None or len(shape) != 4:
        return
    mask = Output(Tensor(operator.name, 1), "uint8", real=False)
    forward = operator._replace(ge_type="ReluV2", outputs=(output, mask))
    inputs = (grads[0].inputs[0], Input(mask.key, mask.dtype, None))
    backward = grads[0]._replace(ge_type="ReluGradV2", inputs=inputs)
    pool.replace((operator, grads[0]), forward, backward)


def _half_product_widened(owners: AbstractSet[str], pool: Pool, operator: GraphOperator) -> None:
    """A float16 MatMul or Conv2D followed by a Cast to float32: one with a float32 output."""
    if operator.ge_type != "Cast" or operator.origin != ("float16", "float32"):
        return
    owner = pool.producer(operator.inputs[0].source)
    if owner is None or owner.ge_type not in owners:
        return
    types = ("float16", "float16", "float32")
    entry = pool.library.operators.get(owner.ge_type)
    columns = () if entry is None else node_columns(entry, len(owner.inputs), 1) or ()
    if len(owner.inputs) == 2 and types in columns and pool.only_feeds(owner, operator):
        pool.join((owner, operator), owner._replace(outputs=operator.outputs))


def _unscaling_momentum(pool: Pool, operator: GraphOperator) -> None:
    """Mul of a gradient by the inverse scale, then ApplyMomentum: FusedMulApplyMomentum."""
    if operator.ge_type not in MOMENTUMS or len(operator.inputs) != 5:
        return
    var, accum, rate, gradient, momentum = operator.inputs
    scaled = pool.producer(gradient.source)
    if scaled is None or scaled.ge_type != "Mul" or not pool.only_feeds(scaled, operator):
        return
    scalars = [value for value in scaled.inputs if pool.shapes.get(value.source) == ()]
    if scalars:
        scale = scalars[-1]
        first = next(value for value in scaled.inputs if value is not scale)
        inputs = (var, accum, rate, first, momentum, scale)
        made = operator._replace(ge_type="FusedMulApplyMomentum", inputs=inputs)
        pool.join((scaled, operator), made)


def _sparse_cross_entropy(pool: Pool, operator: GraphOperator) -> None:
    """Integer labels: a OneHotD in front of SoftmaxCrossEntropyWithLogits.

    OneHotD has kernels for int32 labels only, so int64 ones are cast.
    """
    if operator.ge_type != "SparseSoftmaxCrossEntropyWithLogits":
        return
    logits, labels = operator.inputs
    made = []
    if labels.dtype != "int32":
        made.append(_inner(operator, "Cast", (labels,), "int32"))
        labels = Input(made[0].outputs[0].key, "int32", None)
    values = [Tensor(f"{operator.name}/OneHotD/{value}", 0) for value in ("on", "off")]
    on_off = [Input(value, logits.dtype, None, constant=True, late=True) for value in values]
    made.append(_inner(operator, "OneHotD", (labels, *on_off), logits.dtype))
    inputs = (logits, Input(made[-1].outputs[0].key, logits.dtype, None))
    entropy = operator._replace(ge_type="SoftmaxCrossEntropyWithLogits", inputs=inputs)
    pool.replace((operator,), *made, entropy)


def _inner(
    operator: GraphOperator, ge_type: str, inputs: Tuple[Input, ...], dtype: str
) -> GraphOperator:
    """Return an operator that only the chip has, in front of what is left of `operator`."""
    name = f"{operator.name}/{ge_type}"
    output = Output(Tensor(name, 0), dtype, real=False)
    return GraphOperator(name, "", ge_type, operator.parts, inputs, (output,), operator.keeps)


# By the vendor's name of the pass.
_RULES: Mapping[str, Callable[[Pool, GraphOperator], None]] = {
    fusion_switches.SPARSE_CROSS_ENTROPY: _sparse_cross_entropy,
    fusion_switches.CONVOLUTION_BIAS: functools.partial(_fused_bias, CONVOLUTIONS),
    fusion_switches.MATMUL_BIAS: functools.partial(_fused_bias, MATMULS),
    fusion_switches.MATMUL_CAST: functools.partial(_half_product_widened, MATMULS),
    fusion_switches.CONVOLUTION_CAST: functools.partial(_half_product_widened, {"Conv2D"}),
    fusion_switches.RELU_PAIR: _relu_pair,
    fusion_switches.MOMENTUM_LOSS_SCALE: _unscaling_momentum,
    fusion_switches.GELU: gelu,
    fusion_switches.POWER_SQUARE: constant_square,
    **{rule.name: functools.partial(by_rule, rule) for rule in fusion_rules()},
    fusion_switches.SCALED_SUM: scaled_sum,
    fusion_switches.LOG_SOFTMAX_GRADIENT: log_softmax_gradient,
}
