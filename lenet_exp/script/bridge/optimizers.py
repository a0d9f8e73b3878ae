"""Wrappers of optimizers, for the one process there is: they pass through."""

from __future__ import annotations

from typing import Any, List, Tuple

import tensorflow.compat.v1 as tf

from lenet_exp.script.bridge import collectives
from lenet_exp.script.bridge.loss_scale import NPULossScaleOptimizer

Pairs = List[Tuple[Any, Any]]


class NPUDistributedOptimizer(tf.train.Optimizer):  # type: ignore[misc]
    """An optimizer whose gradients would be averaged over all processes."""

    def __init__(
        self, optimizer: Any, is_weight_update_sharding: bool = False, name: Any = None
    ) -> None:
        super().__init__(False, name or f"Distributed{type(optimizer).__name__}")
        self._optimizer = optimizer

    def compute_gradients(self, *args: Any, **options: Any) -> Pairs:
        """Return the wrapped optimizer's."""
        collectives.check_alone()
        return list(self._optimizer.compute_gradients(*args, **options))

    def apply_gradients(
        self, grads_and_vars: Any, global_step: Any = None, name: Any = None
    ) -> Any:
        """Return the wrapped optimizer's update."""
        return self._optimizer.apply_gradients(grads_and_vars, global_step, name)

    def get_slot(self, *args: Any, **options: Any) -> Any:
        """Return the wrapped optimizer's."""
        return self._optimizer.get_slot(*args, **options)

    def get_slot_names(self, *args: Any, **options: Any) -> Any:
        """Return the wrapped optimizer's."""
        return self._optimizer.get_slot_names(*args, **options)

    def variables(self) -> Any:
        """Return the wrapped optimizer's."""
        return self._optimizer.variables()


class NPUOptimizer(NPUDistributedOptimizer):
    """An optimizer that may scale the loss as well."""

    def __init__(
        self,
        opt: Any,
        loss_scale_manager: Any = None,
        is_distributed: bool = False,
        is_loss_scale: bool = False,
        is_tailing_optimization: bool = False,
        name: Any = None,
    ) -> None:
        if is_loss_scale and loss_scale_manager is None:
            raise ValueError("is_loss_scale is True, loss_scale_manager can not be None")
        scaled = NPULossScaleOptimizer(opt, loss_scale_manager) if is_loss_scale else opt
        super().__init__(scaled, name=name or f"NPUOptimizer{type(opt).__name__}")
        self._opt = opt


def npu_tf_optimizer(opt: Any) -> Any:
    """Return an optimizer of TensorFlow, distributed."""
    return NPUDistributedOptimizer(opt)


def npu_distributed_optimizer_wrapper(optimizer: Any) -> Any:
    """Return an optimizer, its gradients averaged over the one process; Keras' by name too."""
    collectives.check_alone()
    return tf.keras.optimizers.get(optimizer) if isinstance(optimizer, str) else optimizer


npu_keras_optimizer = KerasDistributeOptimizer = npu_distributed_optimizer_wrapper


def npu_allreduce(values: Any, *_: Any, **__: Any) -> Any:
    """Return the values: there is one process."""
    collectives.check_alone()
    return values


def allreduce(tensor: Any, average: bool = True) -> Any:
    """Return the tensor: there is one process."""
    collectives.check_alone()
    return tensor
