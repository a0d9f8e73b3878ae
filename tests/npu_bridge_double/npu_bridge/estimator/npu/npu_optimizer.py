"""Wrappers of one device: they pass through."""

import tensorflow as tf

from npu_bridge.double import environment


class NPUDistributedOptimizer(tf.train.Optimizer):
    def __init__(self, optimizer, is_weight_update_sharding=False, name=None):
        super().__init__(False, name or "NPUDistributedOptimizer" + type(optimizer).__name__)
        self._optimizer = optimizer

    def compute_gradients(self, *args, **kwargs):
        pairs = self._optimizer.compute_gradients(*args, **kwargs)
        environment.reduce_gradients()
        return pairs

    def apply_gradients(self, *args, **kwargs):
        return self._optimizer.apply_gradients(*args, **kwargs)

    def get_slot(self, *args, **kwargs):
        return self._optimizer.get_slot(*args, **kwargs)

    def get_slot_names(self, *args, **kwargs):
        return self._optimizer.get_slot_names(*args, **kwargs)

    def variables(self):
        return self._optimizer.variables()


class NPUOptimizer(NPUDistributedOptimizer):
    def __init__(
        self,
        opt,
        loss_scale_manager=None,
        is_distributed=False,
        is_loss_scale=False,
        is_tailing_optimization=False,
        name=None,
    ):
        if is_loss_scale and loss_scale_manager is None:
            raise ValueError("is_loss_scale needs a loss_scale_manager")
        super().__init__(opt, name=name)
