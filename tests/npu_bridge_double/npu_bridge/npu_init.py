"""What `from npu_bridge.npu_init import *` gives; today's generation patches Session."""

import os

from npu_bridge import tf_adapter
from npu_bridge.double import switches
from npu_bridge.estimator import npu_ops
from npu_bridge.estimator.npu import npu_config, npu_scope, util
from npu_bridge.estimator.npu.npu_config import DumpConfig, NPURunConfig
from npu_bridge.estimator.npu.npu_loss_scale_manager import (
    ExponentialUpdateLossScaleManager,
    FixedLossScaleManager,
)
from npu_bridge.estimator.npu.npu_loss_scale_optimizer import NPULossScaleOptimizer
from npu_bridge.estimator.npu.npu_optimizer import NPUDistributedOptimizer, NPUOptimizer
from npu_bridge.hccl import hccl_ops

if switches.is_since("2022-07"):
    import tensorflow as tf
    from tensorflow.core.protobuf import config_pb2
    from tensorflow.python.client import session

    _OFF, _MANUAL = 2, 2

    def npu_config_proto(config_proto=None):
        config = config_proto or config_pb2.ConfigProto()
        rewrite = config.graph_options.rewrite_options
        names = [entry.name for entry in rewrite.custom_optimizers]
        if "NpuOptimizer" not in names:
            entry = rewrite.custom_optimizers.add()
            entry.name = "NpuOptimizer"
            rewrite.memory_optimization = _MANUAL
        rewrite.remapping = _OFF
        config.allow_soft_placement = True
        config.log_device_placement = False
        config.graph_options.optimizer_options.global_jit_level = -1
        return config

    def decorator_tf_session(init):
        def patched(self, target="", graph=None, config=None):
            init(self, target, graph, npu_config_proto(config))

        return patched

    session.Session.__init__ = decorator_tf_session(session.Session.__init__)
    session.InteractiveSession.__init__ = decorator_tf_session(session.InteractiveSession.__init__)
