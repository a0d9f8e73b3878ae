"""A network that float16 ruins in one place: writes net.meta, and data.npz with what it is fed."""

from __future__ import annotations

import numpy as np
import tensorflow

tf = tensorflow.compat.v1
STEPS, BATCH, WIDTH, CLASSES = 20, 16, 12, 5


def main() -> None:
    """Write both files into this folder."""
    with tf.Graph().as_default():
        tf.set_random_seed(1)
        x = tf.placeholder(tf.float32, [BATCH, WIDTH], "x")
        labels = tf.placeholder(tf.int32, [BATCH], "labels")
        hidden = tf.tanh(tf.matmul(x, tf.get_variable("first", [WIDTH, WIDTH])))
        with tf.name_scope("attention"):  # scores of some thousands, some ones apart
            weights = tf.nn.softmax(4.0 * hidden + 3000.0, name="softmax")
        logits = tf.matmul(weights * hidden, tf.get_variable("last", [WIDTH, CLASSES]))
        each = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
        tf.train.MomentumOptimizer(0.1, 0.9).minimize(tf.reduce_mean(each, name="loss"))
        tf.train.export_meta_graph("net.meta")
    random = np.random.RandomState(0)
    given = random.standard_normal([STEPS, BATCH, WIDTH]).astype(np.float32)
    wanted = random.randint(0, CLASSES, [STEPS, BATCH])
    np.savez("data.npz", **{"x:0": given, "labels:0": wanted})


if __name__ == "__main__":
    tensorflow.compat.v1.disable_v2_behavior()
    main()
