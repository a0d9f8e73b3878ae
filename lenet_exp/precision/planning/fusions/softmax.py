"""Fusions around a softmax.

Source: as in `products`.
"""

from __future__ import annotations

from lenet_exp.precision.ir.operators import GraphOperator
from lenet_exp.precision.planning.fusions.pool import Pool, joined


def log_softmax_gradient(pool: Pool, operator: GraphOperator) -> None:
    """Gradient minus its sum times an Exp, as TensorFlow has it: LogSoftmaxGrad.

    Source: logsoftmaxgrad_fusion_pass.cc.
    """
    if operator.ge_type != "Sub":
        return
    gradient, subtracted = operator.inputs
    product = pool.producer(subtracted.source)
    if product is None or product.ge_type != "Mul" or not pool.only_feeds(product, operator):
        return
    factors = {
        maker.ge_type: maker
        for maker in map(pool.producer, (value.source for value in product.inputs))
        if maker is not None and pool.only_feeds(maker, product)
    }
    total, exp = factors.get("ReduceSumD"), factors.get("Exp")
    if total is None or exp is None or total.inputs[0].source != gradient.source:
        return
    inputs = (joined(total.inputs[0], gradient), exp.inputs[0])
    made = operator._replace(ge_type="LogSoftmaxGrad", inputs=inputs)
    pool.join((exp, total, product, operator), made)
