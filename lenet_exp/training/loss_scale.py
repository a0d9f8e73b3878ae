"""Loss scaling: the chip's state machine (npu-bridge-contract.md, 4).

    finite step:    if good + 1 >= incr_every_n_steps:
                        scale *= incr_ratio, unless it would leave float32; good = bad = 0
                    else: good += 1                      bad is kept: bad steps accumulate
    overflow step:  if bad + 1 >= decr_every_n_nan_or_inf:
                        scale = max(1, scale * decr_ratio); good = bad = 0
                    else: bad += 1; good = 0             good steps must be consecutive

A step uses the scale from before its own update.
"""

from __future__ import annotations

from typing import Any, List, NamedTuple, Sequence, Tuple

from lenet_exp import tf_compat
from lenet_exp.config.schema.run import DynamicLossScale, FixedLossScale, LossScale, NoLossScale

_LARGEST_SCALE = 3.4e38  # the vendor's bound


class ScaleState(NamedTuple):
    """`scale` float32 [], `good` and `bad` int32 []: what a step starts from."""

    scale: Any
    good: Any
    bad: Any


def advance(state: ScaleState, finite: Any, settings: DynamicLossScale) -> ScaleState:
    """Return the state after a step; tensors in, tensors out, `finite` is bool []."""
    tf = tf_compat.load()
    zero = tf.zeros_like(state.good)
    good, bad = state.good + 1, state.bad + 1
    grows = tf.logical_and(finite, good >= settings.incr_every_n_steps)
    shrinks = tf.logical_and(tf.logical_not(finite), bad >= settings.decr_every_n_nan_or_inf)
    fits = state.scale < _LARGEST_SCALE / settings.incr_ratio
    larger = tf.where(fits, state.scale * settings.incr_ratio, state.scale)
    smaller = tf.maximum(tf.constant(1.0), state.scale * settings.decr_ratio)
    changed = tf.logical_or(grows, shrinks)
    return ScaleState(
        tf.where(grows, larger, tf.where(shrinks, smaller, state.scale)),
        tf.where(tf.logical_or(changed, tf.logical_not(finite)), zero, good),
        tf.where(changed, zero, tf.where(finite, state.bad, bad)),
    )


def training_op(optimizer: Any, loss: Any, settings: LossScale) -> Tuple[Any, Any, Any]:
    """Return the operation with which a TensorFlow optimizer makes `loss` smaller.

    With a scale, only where nothing overflowed: that is the second, bool []. The third is the
    variable of a dynamic scale, read here and written by `assign_next`. Each is None without.
    """
    tf = tf_compat.load()
    if isinstance(settings, NoLossScale):
        return optimizer.minimize(loss, name="train"), None, None
    variable = None
    if isinstance(settings, FixedLossScale):
        scale = tf.constant(settings.value, tf.float32, name="loss_scale")
    else:
        first = tf.constant(settings.init_loss_scale, tf.float32)
        scale = variable = tf.get_variable("loss_scale", initializer=first, trainable=False)
    pairs, finite = scaled_gradients(optimizer, loss, scale)
    update = tf.cond(finite, lambda: optimizer.apply_gradients(pairs), tf.no_op, name="update")
    return update.op, finite, variable


def make_counters() -> List[Any]:
    """Return new variables, which checkpoints hold: good and bad steps so far, int32 []."""
    make = tf_compat.load().get_variable
    return [make(name, initializer=0, trainable=False) for name in ("good_steps", "bad_steps")]


def assign_next(state: Sequence[Any], finite: Any, settings: DynamicLossScale) -> List[Any]:
    """Return the operations that take the variables of a ScaleState past a step."""
    tf = tf_compat.load()
    after = advance(ScaleState(*(tf.identity(part) for part in state)), finite, settings)
    with tf.control_dependencies(list(after)):  # all three are computed before one is written
        return [tf.assign(part, value).op for part, value in zip(state, after)]


def scaled_gradients(
    optimizer: Any, loss: Any, scale: Any
) -> Tuple[Sequence[Tuple[Any, Any]], Any]:
    """Return ((gradient, variable), ...) of `loss`, and whether nothing overflowed.

    The gradients are those of loss * scale, multiplied by 1 / scale. The chip's float status is
    read and cleared after them; stand-ins marked with the chip's names are put there, which
    whoever runs the graph replaces (npu-bridge-contract.md, 4).
    """
    tf = tf_compat.load()
    pairs = optimizer.compute_gradients(loss * scale)
    inverse = tf.reciprocal(scale, name="inverse_scale")
    pairs = [(gradient * inverse, variable) for gradient, variable in pairs]
    status = _stand_in(tf.placeholder(tf.float32, [8], "float_status_buffer"), "Alloc")
    with tf.control_dependencies([gradient for gradient, _ in pairs]):
        got = _stand_in(tf.identity(status, name="get_float_status"), "Get")
    with tf.control_dependencies([got]):
        cleared = _stand_in(tf.identity(status, name="clear_float_status"), "Clear")
    with tf.control_dependencies([cleared]):
        return pairs, tf.reduce_all(tf.equal(status, cleared), name="all_finite")


def _stand_in(tensor: Any, verb: str) -> Any:
    tf = tf_compat.load()
    name = f"NPU{verb}FloatStatus".encode()
    tensor.op._set_attr("_ge_type", tf.AttrValue(s=name))  # noqa: SLF001 - no public way
    return tensor
