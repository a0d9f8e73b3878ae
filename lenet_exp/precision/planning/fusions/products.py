"""Fusions around a product.

Source: the operator library's passes (canndev, ops/built-in/fusion_pass/graph_fusion/ai_core, in
the public repository dengguojie/vue-element-admin, branch stp).
"""

from __future__ import annotations

import numpy as np

from lenet_exp.precision.ir.operators import GraphOperator
from lenet_exp.precision.planning.fusions.pool import Pool

_LEAST_DIFFERENCE = 1e-6


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
