"""Fusions of activations."""

from __future__ import annotations

from typing import Optional, Tuple

from lenet_exp.precision.ir.names import Tensor
from lenet_exp.precision.ir.operators import GraphOperator, Input, Output
from lenet_exp.precision.planning.fusions.pool import Pool

Parts = Tuple[GraphOperator, ...]


def relu_pair(pool: Pool, operator: GraphOperator) -> None:
    """Relu with one ReluGrad behind it, static and 4-D: ReluV2 and ReluGradV2 (a mask).

    Source: precision-modes.md 7.
    """
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


def gelu(pool: Pool, operator: GraphOperator) -> None:
    """0.5 * x * (1 + tanh(a * (x + b * x^c))), in two orders of its products: Gelu.

    No part is used twice, so none has a gradient. The compiler does not look at the numbers.

    Source: as in `products`, gelu_fusion_pass.cc.
    """
    if operator.ge_type != "Tanh":
        return
    front = _front(pool, operator)
    if front is None:
        return
    value = front[0].inputs[0]
    behind = _behind(pool, operator, value.source)
    if behind is None or not all(_used_once(pool, part) for part in (*front, operator, *behind)):
        return
    parts = (*front, operator, *behind)
    again = (each for part in parts[1:] for each in part.inputs if each.source == value.source)
    for each in again:
        value = value.joined(each)
    pool.join(parts, behind[-1]._replace(ge_type="Gelu", inputs=(value,)))


def _front(pool: Pool, tanh: GraphOperator) -> Optional[Parts]:
    """Return Pow, Mul, Add and Mul in front of a Tanh, the Add taking what the Pow takes."""
    parts = [tanh]
    for ge_type in ("Mul", "Add", "Mul", "Pow"):
        made = _maker(pool, parts[0], ge_type)
        if made is None:
            return None
        parts.insert(0, made)
    power, _, total = parts[:3]
    return tuple(parts[:-1]) if _takes(total, power.inputs[0].source) else None


def _behind(pool: Pool, tanh: GraphOperator, value: Tensor) -> Optional[Parts]:
    """Return Add, Mul and Mul behind a Tanh, one of the products taking `value`."""
    total = _consumer(pool, tanh, "Add")
    product = None if total is None else _consumer(pool, total, "Mul")
    if total is None or product is None:
        return None
    last = _consumer(pool, product, "Mul")
    if last is not None and _takes(last, value):
        return total, product, last
    half = _maker(pool, product, "Mul")
    return (total, half, product) if half is not None and _takes(half, value) else None


def _maker(pool: Pool, operator: GraphOperator, ge_type: str) -> Optional[GraphOperator]:
    makers = (pool.producer(value.source) for value in operator.inputs)
    return next((made for made in makers if made is not None and made.ge_type == ge_type), None)


def _consumer(pool: Pool, operator: GraphOperator, ge_type: str) -> Optional[GraphOperator]:
    uses = pool.uses(operator.outputs[0].key)
    user = pool.operators[uses[0].name] if uses else None
    return user if user is not None and user.ge_type == ge_type else None


def _takes(operator: GraphOperator, tensor: Tensor) -> bool:
    return any(value.source == tensor for value in operator.inputs)


def _used_once(pool: Pool, operator: GraphOperator) -> bool:
    return len(pool.uses(operator.outputs[0].key)) + pool.leaves(operator) == 1
