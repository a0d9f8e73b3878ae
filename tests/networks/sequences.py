"""Networks of sequences: attention, a loop, embeddings, lengths that the graph doesn't know."""

from __future__ import annotations

import numpy as np

from tests.networks.network import BATCH, Network, cross_entropy, dense, normal

LENGTH, WIDTH, WORDS = 5, 8, 20


def attention(tf):
    """Two heads of attention with layer norm written by hand and dropout, clipped gradients."""
    words = tf.placeholder(tf.int32, [BATCH, LENGTH], "words")
    labels = tf.placeholder(tf.int32, [BATCH, LENGTH], "labels")
    x = tf.gather(tf.get_variable("embedding", [WORDS, WIDTH]), words)
    x = layer_norm(tf, x + attended(tf, x), "norm")
    x = tf.nn.dropout(x, rate=0.2, seed=5)
    logits = dense(tf, tf.reshape(x, [-1, WIDTH]), WORDS, "logits")
    loss = cross_entropy(tf, logits, tf.reshape(labels, [-1]))
    weights = tf.trainable_variables()
    clipped, _ = tf.clip_by_global_norm(tf.gradients(loss, weights), 1.0)
    optimizer = tf.train.AdamOptimizer(1e-2, epsilon=1e-4)
    train = optimizer.apply_gradients(list(zip(clipped, weights)), name="train")

    def feeds(random):
        names = ("words:0", "labels:0")
        return {name: random.randint(0, WORDS, (BATCH, LENGTH)) for name in names}

    return Network(feeds, loss, [train])


def attended(tf, x, heads=2):
    """Return softmax(q k) v of x [batch, length, width], each a projection of it."""
    queries, keys, values = (
        tf.transpose(
            tf.reshape(projected(tf, x, name), [BATCH, LENGTH, heads, WIDTH // heads]),
            [0, 2, 1, 3],
        )
        for name in ("queries", "keys", "values")
    )
    scores = tf.matmul(queries, keys, transpose_b=True) / np.sqrt(WIDTH // heads)
    mixed = tf.matmul(tf.nn.softmax(tf.cast(scores, tf.float32)), values)
    return tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [BATCH, LENGTH, WIDTH])


def projected(tf, x, name):
    return tf.reshape(dense(tf, tf.reshape(x, [-1, WIDTH]), WIDTH, name), [BATCH, LENGTH, WIDTH])


def layer_norm(tf, x, name):
    mean, variance = tf.nn.moments(x, [-1], keep_dims=True)
    scale = tf.get_variable(f"{name}/scale", [WIDTH], initializer=tf.ones_initializer())
    offset = tf.get_variable(f"{name}/offset", [WIDTH], initializer=tf.zeros_initializer())
    return (x - mean) * tf.rsqrt(variance + 1e-6) * scale + offset


def recurrent_loop(tf):
    """A gated cell in a while loop over TensorArrays, and its gradient with stacks."""
    x = tf.placeholder(tf.float32, [LENGTH, BATCH, WIDTH], "x")
    labels = tf.placeholder(tf.int32, [BATCH], "labels")
    kernel = tf.get_variable("cell/kernel", [2 * WIDTH, 2 * WIDTH])
    inputs = tf.TensorArray(tf.float32, LENGTH).unstack(x)

    def body(time, state, outputs):
        both = tf.matmul(tf.concat([inputs.read(time), state], 1), kernel)
        gate, new = tf.split(both, 2, axis=1)
        state = state + tf.sigmoid(gate) * (tf.tanh(new) - state)
        return time + 1, state, outputs.write(time, state)

    begin = (0, tf.zeros([BATCH, WIDTH]), tf.TensorArray(tf.float32, LENGTH))
    _, state, outputs = tf.while_loop(lambda time, *_: time < LENGTH, body, begin)
    logits = dense(tf, state + tf.reduce_mean(outputs.stack(), 0), 3, "logits")
    loss = cross_entropy(tf, logits, labels)
    train = tf.train.MomentumOptimizer(0.1, 0.9).minimize(loss, name="train")

    def feeds(random):
        x = normal(random, LENGTH, BATCH, WIDTH)
        return {"x:0": x, "labels:0": random.randint(0, 3, BATCH)}

    return Network(feeds, loss, [train])


def sampled_embeddings(tf):
    """Sparse embeddings under noise-contrastive estimation, whose samples are random."""
    words = tf.placeholder(tf.int32, [BATCH], "words")
    context = tf.placeholder(tf.int64, [BATCH, 1], "context")
    embedding = tf.get_variable("embedding", [WORDS, WIDTH])
    sampled = tf.random.log_uniform_candidate_sampler(context, 1, 6, True, WORDS, seed=3)
    each = tf.nn.nce_loss(
        weights=tf.get_variable("nce/weights", [WORDS, WIDTH]),
        biases=tf.get_variable("nce/biases", [WORDS]),
        labels=context,
        inputs=tf.nn.embedding_lookup(embedding, words),
        num_sampled=6,
        num_classes=WORDS,
        sampled_values=sampled,
    )
    loss = tf.reduce_mean(each, name="loss")
    train = tf.train.AdagradOptimizer(0.5).minimize(loss, name="train")

    def feeds(random):
        words = random.randint(0, WORDS, BATCH)
        return {"words:0": words, "context:0": random.randint(0, WORDS, (BATCH, 1))}

    return Network(feeds, loss, [train])


def unknown_dimensions(tf):
    """Sequences of any number and length, masked to their own lengths."""
    x = tf.placeholder(tf.float32, [None, None, WIDTH], "x")
    lengths = tf.placeholder(tf.int32, [None], "lengths")
    labels = tf.placeholder(tf.int32, [None], "labels")
    shape = tf.shape(x)
    hidden = tf.nn.relu(dense(tf, tf.reshape(x, [-1, WIDTH]), 6, "hidden"))
    hidden = tf.reshape(hidden, [shape[0], shape[1], 6])
    mask = tf.sequence_mask(lengths, shape[1], tf.float32)
    total = tf.reduce_sum(hidden * tf.expand_dims(mask, -1), 1)
    mean = total / tf.reduce_sum(mask, 1, keepdims=True)
    loss = cross_entropy(tf, dense(tf, mean, 3, "logits"), labels)
    train = tf.train.GradientDescentOptimizer(0.1).minimize(loss, name="train")

    def feeds(random):
        return {
            "x:0": normal(random, BATCH, LENGTH, WIDTH),
            "lengths:0": random.randint(1, LENGTH + 1, BATCH),
            "labels:0": random.randint(0, 3, BATCH),
        }

    return Network(feeds, loss, [train])
