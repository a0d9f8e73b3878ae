"""Several steps a run."""

import tensorflow as tf

_NAMES = ("iterations_per_loop", "loop_cond", "zero", "one")


def set_iteration_per_loop(sess, train_op, iterations_per_loop=1):
    if not isinstance(train_op, tf.Operation):
        raise ValueError(f"train_op is a {train_op.dtype.name}")
    if not isinstance(iterations_per_loop, int):
        raise TypeError("iterations_per_loop must be int")
    if iterations_per_loop < 1:
        raise ValueError("iterations_per_loop must be positive")
    if iterations_per_loop == 1:
        return train_op
    for name, value in zip(_NAMES, (iterations_per_loop - 1, 0, 0, 1)):
        _variable(name).load(value, session=sess)
    return tf.group(train_op, name="IterationOp")


def _variable(name):
    collection = "npu_runconfig_" + name
    found = tf.get_collection(collection)
    if found:
        return found[0]
    with tf.variable_scope("npu_runconfig", reuse=tf.AUTO_REUSE):
        return tf.get_variable(
            name,
            shape=[],
            dtype=tf.int64,
            initializer=tf.zeros_initializer(),
            trainable=False,
            use_resource=True,
            collections=[collection, tf.GraphKeys.LOCAL_VARIABLES],
        )
