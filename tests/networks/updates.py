"""Networks of which the update is what is special: counters, scatters, an Adam by hand."""

from __future__ import annotations

from tests.networks.network import BATCH, Network, cross_entropy, dense, normal

WIDTH, CLASSES, ROWS = 8, 5, 12
LATE = 100_003  # no float16 holds this step


def decaying_rates(tf):
    """Learning rate and decay of averages from an int64 counter of a late step."""
    x, labels = batch(tf)
    start = tf.constant_initializer(LATE)
    step = tf.get_variable(
        "global_step", [], tf.int64, initializer=start, trainable=False, use_resource=False
    )
    loss = cross_entropy(tf, dense(tf, x, CLASSES, "logits"), labels)
    rate = tf.train.polynomial_decay(1.0, step, 200_000, 0.1) * tf.train.exponential_decay(
        0.1, step, 1000, 0.99, staircase=True
    )
    # Before the update: behind it, whether a read is of the new weight depends on its moment.
    averages = tf.train.ExponentialMovingAverage(0.99, step).apply(tf.trainable_variables())
    with tf.control_dependencies([averages]):
        optimizer = tf.train.RMSPropOptimizer(rate, epsilon=1e-3)
        train = optimizer.minimize(loss, global_step=step, name="train")
    return Network(feeds_of_batch, loss, [train])


def gather_and_scatter(tf):
    """Rows taken from a memory, gathered by coordinates, summed by segments, and written back."""
    x, labels = batch(tf)
    rows = tf.placeholder(tf.int32, [BATCH], "rows")
    memory = tf.get_variable("memory", [ROWS, WIDTH], trainable=False)
    hidden = dense(tf, x, WIDTH, "hidden") + tf.gather(memory, rows)
    picked = tf.gather_nd(hidden, tf.stack([tf.range(BATCH), rows % WIDTH], 1))
    spread = tf.scatter_nd(tf.expand_dims(labels, 1), picked, [CLASSES])
    summed = tf.math.unsorted_segment_sum(hidden, rows % 3, 3)
    logits = dense(tf, hidden, CLASSES, "logits") + spread + tf.reduce_mean(summed)
    loss = cross_entropy(tf, logits, labels)
    update = tf.train.GradientDescentOptimizer(0.1).minimize(loss)
    with tf.control_dependencies([update]):
        train = tf.scatter_update(memory, rows, tf.stop_gradient(hidden)).op

    def feeds(random):
        # A row that is written twice has either value.
        rows = random.permutation(ROWS)[:BATCH]
        return {**feeds_of_batch(random), "rows:0": rows}

    return Network(feeds, loss, [train])


def adam_by_hand(tf):
    """Adam with weight decay, written with Assign, as public BERT code has it."""
    x, labels = batch(tf)
    hidden = tf.tanh(dense(tf, x, WIDTH, "hidden"))
    loss = cross_entropy(tf, dense(tf, hidden, CLASSES, "logits"), labels)
    weights, writes = tf.trainable_variables(), []
    # All gradients before any update, or a weight may be written before another gradient reads it.
    gradients, _ = tf.clip_by_global_norm(tf.gradients(loss, weights), 1.0)
    for weight, gradient in zip(weights, gradients):
        name, shape = weight.op.name, weight.shape
        mean, square = (
            tf.get_variable(f"{name}/{kind}", initializer=tf.zeros(shape), trainable=False)
            for kind in ("adam_m", "adam_v")
        )
        next_mean = 0.9 * mean + 0.1 * gradient
        next_square = 0.999 * square + 0.001 * tf.square(gradient)
        update = next_mean / (tf.sqrt(next_square) + 1e-6) + 0.01 * weight
        pairs = ((weight, weight - 1e-2 * update), (mean, next_mean), (square, next_square))
        writes += [tf.assign(variable, value).op for variable, value in pairs]
    return Network(feeds_of_batch, loss, [tf.group(*writes, name="train")])


def batch(tf):
    x = tf.placeholder(tf.float32, [BATCH, WIDTH], "x")
    return x, tf.placeholder(tf.int32, [BATCH], "labels")


def feeds_of_batch(random):
    return {"x:0": normal(random, BATCH, WIDTH), "labels:0": random.randint(0, CLASSES, BATCH)}
