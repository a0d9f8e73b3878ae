"""Scale, compute, unscale, read the status, clear it, and update where it was clean."""

import tensorflow as tf

from npu_bridge.double import status


class NPULossScaleOptimizer(tf.train.Optimizer):
    def __init__(self, opt, loss_scale_manager, is_distributed=False):
        super().__init__(False, "NPULossScaleOptimizermodule")
        self._opt = opt
        self._manager = loss_scale_manager

    def compute_gradients(self, loss, *args, **kwargs):
        scale = self._manager.get_loss_scale()
        pairs = self._opt.compute_gradients(loss * tf.cast(scale, loss.dtype), *args, **kwargs)
        inverse = tf.reciprocal(scale)
        return [(g if g is None else g * tf.cast(inverse, g.dtype), v) for g, v in pairs]

    def apply_gradients(self, grads_and_vars, global_step=None, name=None):
        grads = [gradient for gradient, _ in grads_and_vars if gradient is not None]
        if getattr(self._manager, "_enable_overflow_check", True):
            with tf.control_dependencies(grads):
                read = status.get(grads)
            with tf.control_dependencies([read]):
                cleared = status.clear()
            with tf.control_dependencies([cleared]):
                finite = tf.reduce_all(tf.equal(0, read), name="overflow_status_reduce_all")
        else:
            finite = tf.constant(True)
        updated = tf.cond(
            finite, lambda: self._opt.apply_gradients(grads_and_vars, global_step, name), tf.no_op
        )
        return tf.group(updated, self._manager.update_loss_scale(finite))
