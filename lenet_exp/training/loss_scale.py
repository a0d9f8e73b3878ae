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

import dataclasses
from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

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


# The operation; finite bool [], None if it always updates; the variable of a scale that changes.
Update = Tuple[Any, Optional[Any], Optional[Any]]


class Scaling:
    """How a loss is scaled: not at all, and every update is made, where a kind says no more.

    `update` is made in the step's graph; the counters and what happens to them between two steps
    are around it, where `state` is the step's own scale, if it changes, followed by them.
    """

    def __init__(self, settings: Any) -> None:
        """Go by `settings` of this kind of scaling."""
        self.settings = settings

    def update(self, optimizer: Any, loss: Any) -> Update:
        """Return what a TensorFlow optimizer does to make `loss` smaller."""
        return optimizer.minimize(loss, name="train"), None, None

    def manager(self, managers: Any) -> Any:
        """Return what does it, of npu_bridge's module of managers; None without scaling."""
        return None

    def counters(self) -> List[Any]:
        """Return new variables of the current graph, which checkpoints hold."""
        return []

    def advance(self, state: Sequence[Any], finite: Any) -> List[Any]:
        """Return the operations that take `state` past a step."""
        return []

    def current(self, state: Sequence[Any]) -> Any:
        """Return the scale of the next step, float32 []."""
        return tf_compat.load().constant(1.0)


class FixedScaling(Scaling):
    """A scale that never changes; steps that overflow are skipped."""

    settings: FixedLossScale

    def update(self, optimizer: Any, loss: Any) -> Update:
        """Return the update that is made where nothing overflowed."""
        tf = tf_compat.load()
        scale = tf.constant(self.settings.value, tf.float32, name="loss_scale")
        return (*_unless_overflow(optimizer, loss, scale), None)

    def current(self, state: Sequence[Any]) -> Any:
        """Return the settings' value."""
        return tf_compat.load().constant(self.settings.value)

    def manager(self, managers: Any) -> Any:
        """Return the vendor's, of a fixed scale."""
        return managers.FixedLossScaleManager(self.settings.value)


class DynamicScaling(Scaling):
    """A scale that the state machine above changes."""

    settings: DynamicLossScale

    def update(self, optimizer: Any, loss: Any) -> Update:
        """Return the update that is made where nothing overflowed, and the scale's variable."""
        tf = tf_compat.load()
        first = tf.constant(self.settings.init_loss_scale, tf.float32)
        scale = tf.get_variable("loss_scale", initializer=first, trainable=False)
        return (*_unless_overflow(optimizer, loss, scale), scale)

    def counters(self) -> List[Any]:
        """Return the counters of good and of bad steps, int32 []."""
        make = tf_compat.load().get_variable
        return [make(name, initializer=0, trainable=False) for name in ("good_steps", "bad_steps")]

    def advance(self, state: Sequence[Any], finite: Any) -> List[Any]:
        """Return the assignments of the next state."""
        tf = tf_compat.load()
        after = advance(ScaleState(*(tf.identity(part) for part in state)), finite, self.settings)
        with tf.control_dependencies(list(after)):  # all three are computed before one is written
            return [tf.assign(part, value).op for part, value in zip(state, after)]

    def current(self, state: Sequence[Any]) -> Any:
        """Return the scale's value."""
        return tf_compat.load().identity(state[0])

    def manager(self, managers: Any) -> Any:
        """Return the vendor's, of the same state machine."""
        settings = dataclasses.asdict(self.settings)
        del settings["name"]
        return managers.ExponentialUpdateLossScaleManager(**settings)


def scaling(settings: LossScale) -> Scaling:
    """Return the scaling that `settings` describe."""
    kinds = {NoLossScale: Scaling, FixedLossScale: FixedScaling, DynamicLossScale: DynamicScaling}
    return kinds[type(settings)](settings)


def _unless_overflow(optimizer: Any, loss: Any, scale: Any) -> Tuple[Any, Any]:
    """Return the operation that updates where nothing overflowed, and whether it does."""
    tf = tf_compat.load()
    pairs, finite = scaled_gradients(optimizer, loss, scale)
    update = tf.cond(finite, lambda: optimizer.apply_gradients(pairs), tf.no_op, name="update")
    return update.op, finite


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
    buffer = tf.placeholder(tf.float32, [8], "float_status_buffer")
    return pairs, nothing_overflowed(buffer, [gradient for gradient, _ in pairs], "all_finite")


def nothing_overflowed(buffer: Any, gradients: Sequence[Any], name: str) -> Any:
    """Return bool []: nothing did since the float status was last cleared; it is cleared again.

    `buffer`, float32 [8], stands for the status itself; `gradients` are what is waited for.
    """
    tf = tf_compat.load()
    status = _stand_in(buffer, "Alloc")
    with tf.control_dependencies(list(gradients)):
        got = _stand_in(tf.identity(status, name="get_float_status"), "Get")
    with tf.control_dependencies([got]):
        cleared = _stand_in(tf.identity(status, name="clear_float_status"), "Clear")
    with tf.control_dependencies([cleared]):
        return tf.reduce_all(tf.equal(status, cleared), name=name)


def _stand_in(tensor: Any, verb: str) -> Any:
    tf = tf_compat.load()
    name = f"NPU{verb}FloatStatus".encode()
    tensor.op._set_attr("_ge_type", tf.AttrValue(s=name))  # noqa: SLF001 - no public way
    return tensor
