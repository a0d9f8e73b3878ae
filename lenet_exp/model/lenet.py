"""LeNet exactly as in the ModelZoo's LeNet_ID0127 (npu-bridge-contract.md, 6)."""

from __future__ import annotations

from typing import Any, Callable

from lenet_exp import tf_compat

IMAGE_SHAPE = (28, 28, 1)
CLASSES = 10
PARAMETERS = 107_786


def logits(images: Any) -> Any:
    """Return float32 [batch, 10] for `images`, float32 [batch, 28, 28, 1] in [0, 1].

    Variables are made in, or reused from, the scopes layer_1, layer_2, fc_1, fc_2 and fc_3 of
    the current graph; the biases too come from TensorFlow's default initialiser.
    """
    tf = tf_compat.load()
    hidden = _convolution("layer_1", images, filters=6)
    hidden = _convolution("layer_2", hidden, filters=16)
    batch = hidden.shape.as_list()[0] or -1  # an exported graph takes any number
    hidden = tf.reshape(hidden, [batch, 7 * 7 * 16])
    hidden = _dense("fc_1", hidden, 120, tf.sigmoid)
    hidden = _dense("fc_2", hidden, 84, tf.sigmoid)
    return _dense("fc_3", hidden, CLASSES, tf.identity)


def _convolution(scope: str, inputs: Any, filters: int) -> Any:
    """Convolve 5x5, add the bias, apply the sigmoid, halve by max-pooling."""
    tf = tf_compat.load()
    with tf.variable_scope(scope):
        weights = tf.get_variable("weights", [5, 5, int(inputs.shape[3]), filters])
        bias = tf.get_variable("bias", [filters])
        outputs = tf.nn.conv2d(inputs, weights, strides=[1, 1, 1, 1], padding="SAME")
        outputs = tf.sigmoid(tf.nn.bias_add(outputs, bias))
        return tf.nn.max_pool(
            outputs, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="SAME", name="max_pool"
        )


def _dense(scope: str, inputs: Any, units: int, activation: Callable[[Any], Any]) -> Any:
    tf = tf_compat.load()
    with tf.variable_scope(scope):
        weight = tf.get_variable("weight", [int(inputs.shape[1]), units])
        bias = tf.get_variable("bias", [units])
        return activation(tf.nn.bias_add(tf.matmul(inputs, weight), bias))
