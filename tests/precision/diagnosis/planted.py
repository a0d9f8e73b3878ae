"""Random networks with one fault that float16 makes in a known operator."""

from __future__ import annotations

import functools

import numpy as np

from lenet_exp import tf_compat
from tests.networks.network import cross_entropy, dense, normal

BATCH, CLASSES, WIDE = 8, 5, 2**17
ACTIVATIONS = ("relu", "tanh", "sigmoid")


def softmax_of_large_inputs(tf, x, random):
    """Softmax of values that float16 tells apart by ones and twos."""
    return tf.nn.softmax(4 * x + random.uniform(2100, 8000), name="softmax")


def normalisation_of_tiny_variance(tf, x, random):
    """Layer normalisation of deviations whose squares float16 has as 0."""
    small = x * random.uniform(2e-5, 1e-4)
    mean = tf.reduce_mean(small, 1, keepdims=True)
    variance = tf.reduce_mean(tf.squared_difference(small, mean), 1, keepdims=True)
    return (small - mean) * tf.rsqrt(variance + 1e-12)


def sum_of_many(tf, x, random):
    """A sum of 2^17 values, beyond float16, and taken back."""
    each = tf.reduce_mean(tf.abs(x)) + random.uniform(0.8, 3)
    many = tf.fill([WIDE], 1.0) * each
    return x * (tf.reduce_sum(many, name="sum") * (1 / WIDE))


def small_epsilon(tf, x, random):
    """A quotient that only an epsilon of 1e-8 keeps finite."""
    root = tf.stop_gradient(tf.sqrt(tf.reduce_sum(tf.square(x), 1, keepdims=True) * 0.0))
    return x * random.uniform(0.5, 2) * (1e-8 / (root + 1e-8))


def product_beyond_backwards(tf, x, random):
    """A product that fits, and whose gradient by one factor does not."""
    small = x * 1e-4
    return small * tf.constant(random.uniform(2e4, 6e4)) * 500.0


FAULTS = (
    softmax_of_large_inputs, normalisation_of_tiny_variance, sum_of_many, small_epsilon,
    product_beyond_backwards,
)  # fmt: skip


@functools.lru_cache(maxsize=None)
def network(fault, seed):
    """Return a GraphDef with `fault` in the scope "planted", its fetches, values and feeds.

    Made once: not to be modified.
    """
    tf, random = tf_compat.load(), np.random.RandomState(seed)
    with tf.Graph().as_default() as graph:
        tf.set_random_seed(seed)
        width = int(random.randint(6, 24))
        hidden = x = tf.placeholder(tf.float32, [BATCH, width], "x")
        labels = tf.placeholder(tf.int32, [BATCH], "labels")
        layers = int(random.randint(1, 4))
        # Behind it no activation that may be flat: there would be no gradient.
        where = layers - 1 if fault is product_beyond_backwards else int(random.randint(0, layers))
        for number in range(layers):
            activation = getattr(tf.nn, ACTIVATIONS[random.randint(0, 3)])
            hidden = activation(dense(tf, hidden, int(random.randint(6, 24)), f"dense_{number}"))
            if number == where:
                with tf.name_scope("planted"):
                    hidden = fault(tf, hidden, random)
        loss = cross_entropy(tf, dense(tf, hidden, CLASSES, "logits"), labels)
        train = tf.train.GradientDescentOptimizer(0.1).minimize(loss, name="train")
        init = tf.global_variables_initializer()
        variables = tf.global_variables()
    with tf.Session(graph=graph) as session:
        session.run(init)
        values = dict(zip((v.op.name for v in variables), session.run(variables)))
    feeds = {x.name: normal(random, BATCH, width), labels.name: random.randint(0, CLASSES, BATCH)}
    return graph.as_graph_def(), [loss.name, train.name], values, feeds
