"""Fusions of an optimizer's update."""

from __future__ import annotations

from lenet_exp.precision.ir.op_traits import MOMENTUMS
from lenet_exp.precision.ir.operators import GraphOperator
from lenet_exp.precision.planning.fusions.pool import Pool


def unscaling_momentum(pool: Pool, operator: GraphOperator) -> None:
    """Mul of a gradient by the inverse scale, then ApplyMomentum: FusedMulApplyMomentum.

    Source: precision-modes.md 7.
    """
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
