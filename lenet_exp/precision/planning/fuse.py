"""What the compiler fuses before types are chosen, as far as it changes a type.

Source: precision-modes.md 7.
"""

from __future__ import annotations

import functools
from typing import AbstractSet, Callable, Collection, Mapping, Set, Tuple

from lenet_exp.precision.analysis.shapes import static_shapes
from lenet_exp.precision.ir.names import Tensor
from lenet_exp.precision.ir.op_traits import BIAS_ADDS, CONVOLUTIONS, MATMULS, MOMENTUMS
from lenet_exp.precision.ir.operators import GraphOperator, Input, OperatorGraph, Output
from lenet_exp.precision.planning.compilation import Compilation
from lenet_exp.precision.planning.match_rules import by_rule
from lenet_exp.precision.target import fusion_switches
from lenet_exp.precision.target.fusion_rules import fusion_rules
from lenet_exp.precision.target.operator_library import node_columns


def fuse(state: Compilation) -> Compilation:
    """Put fused operators in the place of their first parts, in the functions of calls too.

    A pass that a fusion switch file switches off makes nothing.
    """
    pool = _Pool(state)
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


class _Pool(OperatorGraph):
    """The operators while fusions replace them, with what fusions ask of them."""

    def __init__(self, state: Compilation) -> None:
        super().__init__(state.operators.values(), state.leaving)
        self.library = state.options.library
        wanted = sorted(_shapes_needed(state.operators.values()))
        self.shapes = static_shapes(state.graph, state.types, wanted)


def _shapes_needed(operators: Collection[GraphOperator]) -> Set[Tensor]:
    """Return the tensors of whose shapes a fusion asks: all are inferred at once."""
    wanted = set()
    momentum = any(operator.ge_type in MOMENTUMS for operator in operators)
    for operator in operators:
        if operator.ge_type == "Relu":
            wanted.add(operator.outputs[0].key)
        elif operator.ge_type in ("Add", "Mul"):
            constant = any(value.constant for value in operator.inputs)
            if momentum if operator.ge_type == "Mul" else constant:
                wanted.update(value.source for value in operator.inputs)
    return wanted


def _fused_bias(owners: AbstractSet[str], pool: _Pool, operator: GraphOperator) -> None:
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


def _takes_bias(pool: _Pool, owner: GraphOperator, adds: GraphOperator, bias: Input) -> bool:
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


def _relu_pair(pool: _Pool, operator: GraphOperator) -> None:
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


def _half_product_widened(owners: AbstractSet[str], pool: _Pool, operator: GraphOperator) -> None:
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


def _unscaling_momentum(pool: _Pool, operator: GraphOperator) -> None:
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


def _sparse_cross_entropy(pool: _Pool, operator: GraphOperator) -> None:
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
_RULES: Mapping[str, Callable[[_Pool, GraphOperator], None]] = {
    fusion_switches.SPARSE_CROSS_ENTROPY: _sparse_cross_entropy,
    fusion_switches.CONVOLUTION_BIAS: functools.partial(_fused_bias, CONVOLUTIONS),
    fusion_switches.MATMUL_BIAS: functools.partial(_fused_bias, MATMULS),
    fusion_switches.MATMUL_CAST: functools.partial(_half_product_widened, MATMULS),
    fusion_switches.CONVOLUTION_CAST: functools.partial(_half_product_widened, {"Conv2D"}),
    fusion_switches.RELU_PAIR: _relu_pair,
    fusion_switches.MOMENTUM_LOSS_SCALE: _unscaling_momentum,
    **{rule.name: functools.partial(by_rule, rule) for rule in fusion_rules()},
}
