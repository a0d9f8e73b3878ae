"""Configurations and optimizers as a script asks for them, without an effect."""

import os

import tensorflow as tf
from tensorflow.core.protobuf import config_pb2
from tensorflow.core.protobuf.rewriter_config_pb2 import RewriterConfig

__all__ = ["RewriterConfig", "npu_config_proto", "npu_tf_optimizer", "os", "tf"]


def npu_config_proto(config_proto=None):
    """Return a configuration with the vendor's entry, which TensorFlow passes over."""
    made = config_proto or config_pb2.ConfigProto()
    made.graph_options.rewrite_options.custom_optimizers.add(name="NpuOptimizer")
    return made


def npu_tf_optimizer(opt):
    """Return the optimizer itself."""
    return opt
