"""The vendor's loss scaling over our float status.

The state machine and the order of operations: npu-bridge-contract.md, 4. Other than our own runs'
scaling it is made by the script, under its names: variables that it saves, restores and fetches.
"""

from __future__ import annotations

from typing import Any, List, Tuple

import tensorflow.compat.v1 as tf

from lenet_exp.config.schema.run import DynamicLossScale
from lenet_exp.script.bridge.scopes import keep_dtype_scope
from lenet_exp.training.loss_scale import ScaleState, advance, nothing_overflowed


def _is_recorded(scale: Any) -> None:
    """Have the graph know the scale of the last manager made in it."""
    tf.get_default_graph()._lenet_exp_loss_scale = scale  # noqa: SLF001 - ours


class FixedLossScaleManager:
    """A scale that stays as it is."""

    def __init__(self, loss_scale: float, enable_overflow_check: bool = True) -> None:
        if loss_scale < 1:
            raise ValueError("loss scale must be at least 1.")
        self._loss_scale = tf.convert_to_tensor(loss_scale, tf.float32, name="loss_scale")
        self._enable_overflow_check = enable_overflow_check
        _is_recorded(self._loss_scale)

    def get_loss_scale(self) -> Any:
        """Return it, float32 []."""
        return self._loss_scale

    def get_enable_overflow_check(self) -> bool:
        """Return whether a step that overflows is skipped."""
        return self._enable_overflow_check

    def update_loss_scale(self, finite_grads: Any) -> Any:
        """Return an operation that does nothing."""
        return tf.no_op()


class ExponentialUpdateLossScaleManager:
    """A scale that grows after good steps, and shrinks after bad ones."""

    def __init__(
        self,
        init_loss_scale: float,
        incr_every_n_steps: int,
        decr_every_n_nan_or_inf: int = 2,
        incr_ratio: float = 2,
        decr_ratio: float = 0.8,
    ) -> None:
        first = float(init_loss_scale)
        parts = (incr_every_n_steps, decr_every_n_nan_or_inf, float(incr_ratio), float(decr_ratio))
        self._settings = DynamicLossScale("dynamic", first, *parts)
        kinds = ((first, "loss_scale", tf.float32), (0, "good_steps", tf.int32),
                 (0, "bad_steps", tf.int32))  # fmt: skip
        made = [tf.Variable(v, trainable=False, name=name, dtype=dtype) for v, name, dtype in kinds]
        self._loss_scale, self._num_good_steps, self._num_bad_steps = made
        _is_recorded(self._loss_scale)

    def get_loss_scale(self) -> Any:
        """Return the variable, float32 []."""
        return self._loss_scale

    def update_loss_scale(self, finite_grads: Any) -> Any:
        """Return the operation that takes the state past a step; `finite_grads` bool []."""
        with keep_dtype_scope():  # as in our own runs, where no mode changes it
            return self._advanced(finite_grads)

    def _advanced(self, finite_grads: Any) -> Any:
        state = (self._loss_scale, self._num_good_steps, self._num_bad_steps)
        now = ScaleState(*(tf.identity(part) for part in state))
        after = advance(now, finite_grads, self._settings)
        with tf.control_dependencies(list(after)):
            return tf.group(*(tf.assign(part, value) for part, value in zip(state, after)))


class NPULossScaleOptimizer(tf.train.Optimizer):  # type: ignore[misc]
    """Scales the loss, and updates where nothing overflowed."""

    def __init__(self, opt: Any, loss_scale_manager: Any, is_distributed: bool = False) -> None:
        super().__init__(False, "NPULossScaleOptimizermodule")
        self._opt, self._loss_scale_manager = opt, loss_scale_manager

    def __getattr__(self, name: str) -> Any:
        if name == "_opt":
            raise AttributeError(name)
        return getattr(self._opt, name)

    def compute_gradients(self, loss: Any, *args: Any, **options: Any) -> List[Tuple[Any, Any]]:
        """Return (gradient, variable) of the loss times the scale, multiplied by 1 / scale."""
        scale = self._loss_scale_manager.get_loss_scale()
        value = loss() if callable(loss) else loss
        scaled = value * tf.cast(scale, value.dtype.base_dtype)
        pairs = self._opt.compute_gradients(scaled, *args, **options)
        inverse = tf.reciprocal(tf.convert_to_tensor(scale))
        return [(_times(gradient, inverse), variable) for gradient, variable in pairs]

    def apply_gradients(
        self, grads_and_vars: Any, global_step: Any = None, name: Any = None
    ) -> Any:
        """Return the operation that updates where nothing overflowed, and the scale."""
        pairs = list(grads_and_vars)
        finite = self._finite([gradient for gradient, _ in pairs if gradient is not None])
        updated = tf.cond(
            finite, lambda: self._opt.apply_gradients(pairs, global_step, name), tf.no_op
        )
        return tf.group(updated, self._loss_scale_manager.update_loss_scale(finite))

    def get_slot(self, *args: Any, **options: Any) -> Any:
        """Return the wrapped optimizer's."""
        return self._opt.get_slot(*args, **options)

    def get_slot_names(self, *args: Any, **options: Any) -> Any:
        """Return the wrapped optimizer's."""
        return self._opt.get_slot_names(*args, **options)

    def variables(self) -> Any:
        """Return the wrapped optimizer's."""
        return self._opt.variables()

    def _finite(self, gradients: List[Any]) -> Any:
        """Return bool []: nothing overflowed since the float status was last cleared."""
        manager = self._loss_scale_manager
        if not getattr(manager, "get_enable_overflow_check", lambda: True)():
            return tf.constant(True)
        with tf.name_scope(self._name):
            # In a session that does not emulate nothing ever overflows.
            buffer = tf.identity(tf.zeros([8]), name="float_status_buffer")
            return nothing_overflowed(buffer, gradients, "overflow_status_reduce_all")


def _times(gradient: Any, factor: Any) -> Any:
    if gradient is None:
        return None
    if isinstance(gradient, tf.IndexedSlices):
        values = gradient.values * tf.cast(factor, gradient.values.dtype)
        return tf.IndexedSlices(values, gradient.indices, gradient.dense_shape)
    return gradient * tf.cast(factor, gradient.dtype.base_dtype)
