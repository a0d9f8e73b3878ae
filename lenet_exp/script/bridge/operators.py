"""The vendor's operators that plain TensorFlow can compute."""

from __future__ import annotations

import math
from typing import Any

import tensorflow.compat.v1 as tf


def initialize_system(name: Any = None) -> Any:
    """Return an operation that does nothing: a CPU needs no start."""
    return tf.no_op(name=name or "NPUInit")


def shutdown_system(name: Any = None) -> Any:
    """Return an operation that does nothing."""
    return tf.no_op(name=name or "NPUShutdown")


NPUInit, NPUShutdown = initialize_system, shutdown_system


def dropout(
    x: Any, keep_prob: Any, noise_shape: Any = None, seed: Any = None, name: Any = None
) -> Any:
    """Return x / keep_prob where a random number says so, else 0.

    The random numbers are TensorFlow's: the chip's own generator is not known.
    """
    x = tf.convert_to_tensor(x, name="x")
    if isinstance(keep_prob, (int, float)):
        if not 0 < keep_prob <= 1:
            raise ValueError(f"keep_prob must be in the range (0, 1], got {keep_prob:g}")
        if keep_prob == 1:
            return x
    return tf.nn.dropout(x, rate=1 - keep_prob, noise_shape=noise_shape, seed=seed, name=name)


dropout_v3 = dropout_v4 = dropout


def gelu(x: Any, name: Any = None) -> Any:
    """Return x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))."""
    x = tf.convert_to_tensor(x)
    with tf.name_scope(name or "Gelu"):
        inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)
        return 0.5 * x * (1 + tf.tanh(inner))


def fast_gelu(x: Any, name: Any = None) -> Any:
    """Return x sigmoid(1.702 x)."""
    x = tf.convert_to_tensor(x)
    with tf.name_scope(name or "FastGelu"):
        return x * tf.sigmoid(1.702 * x)


fast_gelu_v2 = fast_gelu


def prelu(x: Any, weight: Any) -> Any:
    """Return x where it is positive, else weight x."""
    return tf.maximum(x, 0) + weight * tf.minimum(x, 0)


def centralization(x: Any, axes: Any, name: Any = None) -> Any:
    """Return x less its mean over some axes."""
    return tf.subtract(x, tf.reduce_mean(x, axes, keepdims=True), name=name)


def layer_norm(
    x: Any, gamma: Any, beta: Any, begin_norm_axis: int = 0, begin_params_axis: int = 0,
    epsilon: float = 1e-7, name: Any = None,
) -> Any:  # fmt: skip
    """Return x normalised, its mean and its variance."""
    axes = list(range(begin_norm_axis, x.shape.ndims))
    mean, variance = tf.nn.moments(x, axes, keepdims=True)
    made = tf.nn.batch_normalization(x, mean, variance, beta, gamma, epsilon, name=name)
    return [made, mean, variance]


class npu_unary_ops:  # noqa: N801 - the vendor's name, of an object
    """The operators of one input."""

    gelu, fast_gelu = staticmethod(gelu), staticmethod(fast_gelu)


class npu_aicore_ops(npu_unary_ops):  # noqa: N801 - the vendor's name, of an object
    """Those and more."""

    fast_gelu_v2, prelu = staticmethod(fast_gelu_v2), staticmethod(prelu)
    dropout_v3, layer_norm = staticmethod(dropout_v3), staticmethod(layer_norm)
    centralization = staticmethod(centralization)
