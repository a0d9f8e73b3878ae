"""The two managers, as operators under the vendor's variable names."""

import tensorflow as tf

from npu_bridge.double import switches

_LARGEST = 3.4e38


class FixedLossScaleManager:
    def __init__(self, loss_scale, enable_overflow_check=True):
        if loss_scale < 1:
            raise ValueError("loss scale must be at least 1.")
        self._loss_scale = tf.convert_to_tensor(loss_scale, tf.float32)
        self._enable_overflow_check = enable_overflow_check

    def get_loss_scale(self):
        return self._loss_scale

    def update_loss_scale(self, finite_grads):
        return tf.no_op()


if switches.is_since("2021-07"):

    def _enabled(self):
        return self._enable_overflow_check

    FixedLossScaleManager.get_enable_overflow_check = _enabled


class ExponentialUpdateLossScaleManager:
    def __init__(
        self,
        init_loss_scale,
        incr_every_n_steps,
        decr_every_n_nan_or_inf=2,
        incr_ratio=2,
        decr_ratio=0.8,
    ):
        self._rule = (incr_every_n_steps, decr_every_n_nan_or_inf, incr_ratio, decr_ratio)
        first = tf.convert_to_tensor(init_loss_scale, tf.float32)
        self._scale = tf.Variable(first, name="loss_scale", trainable=False)
        self._good = tf.Variable(0, name="good_steps", trainable=False)
        self._bad = tf.Variable(0, name="bad_steps", trainable=False)

    def get_loss_scale(self):
        return self._scale

    def update_loss_scale(self, finite_grads):
        return tf.cond(finite_grads, self._after_finite, self._after_overflow)

    def _reset(self, scale):
        with tf.control_dependencies([tf.assign(self._scale, scale)]):
            return tf.group(tf.assign(self._good, 0), tf.assign(self._bad, 0))

    def _after_finite(self):
        every, _, ratio, _ = self._rule

        def grow():
            fits = tf.less(self._scale, _LARGEST / ratio)
            kept = tf.cond(fits, lambda: self._scale * ratio, lambda: tf.identity(self._scale))
            return self._reset(kept)

        def count():
            return tf.group(tf.assign_add(self._good, 1))

        return tf.cond(self._good + 1 >= every, grow, count)

    def _after_overflow(self):
        _, every, _, ratio = self._rule

        def shrink():
            return self._reset(tf.maximum(1.0, self._scale * ratio))

        def count():
            return tf.group(tf.assign_add(self._bad, 1), tf.assign(self._good, 0))

        return tf.cond(self._bad + 1 >= every, shrink, count)
