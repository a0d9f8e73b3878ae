"""LeNet against the ModelZoo's numbers and against numpy."""

from __future__ import annotations

import numpy as np
import pytest

from lenet_exp import tf_compat
from lenet_exp.model import lenet

SHAPES = {
    "layer_1/weights": [5, 5, 1, 6],
    "layer_1/bias": [6],
    "layer_2/weights": [5, 5, 6, 16],
    "layer_2/bias": [16],
    "fc_1/weight": [784, 120],
    "fc_1/bias": [120],
    "fc_2/weight": [120, 84],
    "fc_2/bias": [84],
    "fc_3/weight": [84, 10],
    "fc_3/bias": [10],
}


@pytest.fixture(scope="module")
def built():
    """LeNet's logits of two random images, and its variables, out of a session."""
    tf = tf_compat.load()
    images = np.random.RandomState(0).rand(2, 28, 28, 1).astype(np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(1)
        logits = lenet.logits(tf.constant(images))
        variables = {v.name.split(":")[0]: v for v in tf.global_variables()}
        session.run(tf.global_variables_initializer())
        return images, session.run(logits), session.run(variables)


def test_names_shapes_and_count_are_the_modelzoo_s(built):
    variables = built[2]
    assert {name: list(value.shape) for name, value in variables.items()} == SHAPES
    assert sum(value.size for value in variables.values()) == lenet.PARAMETERS == 107_786


def test_variables_are_ref_variables_on_both_stacks():
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        lenet.logits(tf.placeholder(tf.float32, [3, 28, 28, 1]))
        kinds = {op.type for op in graph.get_operations() if "Var" in op.type}
    assert kinds == {"VariableV2"}


def test_biases_too_come_from_glorot_uniform(built):
    for value in built[2].values():
        # Glorot's limit, by hand: sqrt(6 / (fan in + fan out)); a vector's fans are its length.
        fans = (value.size, value.size) if value.ndim == 1 else value.shape[-2:]
        field = int(np.prod(value.shape[:-2])) if value.ndim == 4 else 1
        limit = np.sqrt(6 / (field * sum(fans)))
        assert np.abs(value).max() <= limit
        assert np.abs(value).max() > 0.5 * limit


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def convolved(images, weights, bias):
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)))
    size = images.shape[1]
    out = np.zeros((*images.shape[:3], weights.shape[3])) + bias
    for row in range(5):
        for column in range(5):
            part = padded[:, row : row + size, column : column + size]
            out += part @ weights[row, column]
    half = size // 2
    return sigmoid(out).reshape(-1, half, 2, half, 2, weights.shape[3]).max(axis=(2, 4))


def test_logits_agree_with_numpy_in_float64(built):
    images, logits, v = built
    hidden = convolved(images.astype(float), v["layer_1/weights"], v["layer_1/bias"])
    hidden = convolved(hidden, v["layer_2/weights"], v["layer_2/bias"]).reshape(2, 784)
    hidden = sigmoid(hidden @ v["fc_1/weight"] + v["fc_1/bias"])
    hidden = sigmoid(hidden @ v["fc_2/weight"] + v["fc_2/bias"])
    expected = hidden @ v["fc_3/weight"] + v["fc_3/bias"]
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)
