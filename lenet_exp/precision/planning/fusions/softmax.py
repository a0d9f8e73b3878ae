"""Fusions around a softmax.

Source: as in `products`.
"""

from __future__ import annotations

from typing import Tuple

from lenet_exp.precision.ir.names import Tensor
from lenet_exp.precision.ir.operators import GraphOperator, Input, Output
from lenet_exp.precision.planning.fusions.pool import Pool


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
    inputs = (total.inputs[0].joined(gradient), exp.inputs[0])
    made = operator._replace(ge_type="LogSoftmaxGrad", inputs=inputs)
    pool.join((exp, total, product, operator), made)


def sparse_cross_entropy(pool: Pool, operator: GraphOperator) -> None:
    """Integer labels: a OneHotD in front of SoftmaxCrossEntropyWithLogits.

    OneHotD has kernels for int32 labels only, so int64 ones are cast.

    Source: precision-modes.md 7.
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
