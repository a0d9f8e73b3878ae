"""What a builder of a network returns, and the layers that several of them have."""

from __future__ import annotations

from typing import Any, Callable, Dict, NamedTuple, Sequence

import numpy as np

BATCH = 4


class Network(NamedTuple):
    """One training step in the default graph.

    `feeds(random)` draws a batch by the placeholders' names; `loss` is a float32 scalar; `train`
    are the operations that end a step, run one after the other.
    """

    feeds: Callable[[np.random.RandomState], Dict[str, np.ndarray]]
    loss: Any
    train: Sequence[Any]


def normal(random, *shape):
    return random.randn(*shape).astype(np.float32)


def dense(tf, x, size, name):
    """Return x [batch, n] times a kernel, plus a bias."""
    kernel = tf.get_variable(f"{name}/kernel", [x.shape[-1], size])
    return tf.nn.bias_add(tf.matmul(x, kernel), tf.get_variable(f"{name}/bias", [size]))


def convolution(tf, x, channels, name, size=3, strides=1):
    kernel = tf.get_variable(f"{name}/kernel", [size, size, x.shape[-1], channels])
    return tf.nn.conv2d(x, kernel, [1, strides, strides, 1], "SAME")


def cross_entropy(tf, logits, labels):
    each = tf.nn.sparse_softmax_cross_entropy_with_logits(logits=logits, labels=labels)
    return tf.reduce_mean(each, name="loss")
