"""Fusions around a product.

Source: the operator library's passes (canndev, ops/built-in/fusion_pass/graph_fusion/ai_core, in
the public repository dengguojie/vue-element-admin, branch stp).
"""

from __future__ import annotations

from typing import AbstractSet

import numpy as np

from lenet_exp.precision.ir.op_traits import BIAS_ADDS, CONVOLUTIONS, MATMULS
from lenet_exp.precision.ir.operators import GraphOperator, Input
from lenet_exp.precision.planning.fusions.pool import Pool
from lenet_exp.precision.target.operator_library import node_columns

_LEAST_DIFFERENCE = 1e-6


def bias_taken(owners: AbstractSet[str], pool: Pool, operator: GraphOperator) -> None:
    """Conv + BiasAdd, MatMul + BiasAdd, or + Add of a constant, become one with a bias.

    Source: precision-modes.md 7.
    """
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


def half_product_widened(owners: AbstractSet[str], pool: Pool, operator: GraphOperator) -> None:
    """A float16 MatMul or Conv2D followed by a Cast to float32: one with a float32 output.

    Source: precision-modes.md 7.
    """
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


def constant_square(pool: Pool, operator: GraphOperator) -> None:
    """Pow by a float32 constant 2, one value: Square.

    Source: pow_2_square_fusion_pass.cc.
    """
    if operator.ge_type != "Pow" or set(pool.shape(operator.inputs[1]) or ()) - {1}:
        return
    power = pool.constant(operator.inputs[1])
    if power is None or power.dtype != np.float32 or power.size != 1:
        return
    if abs(power.item() - 2) <= _LEAST_DIFFERENCE:
        pool.replace((operator,), operator._replace(ge_type="Square", inputs=operator.inputs[:1]))


def scaled_sum(pool: Pool, operator: GraphOperator) -> None:
    """AddN of two, the first a Mul by one number: FusedMulAddN.

    The number is the Mul's constant, or its first operand where none is constant. The gradient of
    an L2Loss that is itself part of an AddN belongs to another pass, and stays as it is.

    Source: mul_addn_fusion_pass.cc, mul_addn_l2loss_fusion_pass.cc.
    """
    if operator.ge_type != "AddN" or len(operator.inputs) != 2:
        return
    product = pool.producer(operator.inputs[0].source)
    if product is None or product.ge_type != "Mul" or not pool.only_feeds(product, operator):
        return
    scale = next((value for value in product.inputs if value.constant), product.inputs[0])
    if pool.shape(scale) not in ((), (1,)) or _of_summed_l2_loss(pool, product):
        return
    scaled = product.inputs[1 if scale is product.inputs[0] else 0]
    inputs = (scaled, operator.inputs[1], scale)
    pool.join((product, operator), operator._replace(ge_type="FusedMulAddN", inputs=inputs))


def _of_summed_l2_loss(pool: Pool, product: GraphOperator) -> bool:
    variable = product.inputs[0]
    if variable.constant or not variable.late:
        return False
    users = [pool.operators[use.name] for use in pool.uses(variable.source)]
    loss = next((user for user in users if user.ge_type == "L2Loss"), None)
    sums = [] if loss is None else pool.uses(loss.outputs[0].key)
    return len(sums) == 1 and pool.operators[sums[0].name].ge_type == "AddN"
