"""Networks of images: separable convolutions, a GAN, bytes as input."""

from __future__ import annotations

from tests.networks.network import BATCH, Network, convolution, cross_entropy, dense, normal

SIDE, CLASSES = 8, 5


def separable_convolutions(tf):
    """Depthwise and pointwise convolutions with batch norm, whose averages the step moves."""
    images = tf.placeholder(tf.float32, [BATCH, SIDE, SIDE, 3], "images")
    labels = tf.placeholder(tf.int32, [BATCH], "labels")
    hidden, averages = convolution(tf, images, 4, "stem"), []
    for number in range(2):
        filters = tf.get_variable(f"depthwise{number}/kernel", [3, 3, hidden.shape[-1], 1])
        hidden = tf.nn.depthwise_conv2d(hidden, filters, [1, 1, 1, 1], "SAME")
        hidden = tf.nn.relu6(batch_norm(tf, hidden, f"norm{number}", averages))
        hidden = convolution(tf, hidden, 6, f"pointwise{number}", size=1)
    logits = dense(tf, tf.reduce_mean(hidden, [1, 2]), CLASSES, "logits")
    loss = cross_entropy(tf, logits, labels)
    with tf.control_dependencies(averages):
        train = tf.train.MomentumOptimizer(0.1, 0.9).minimize(loss, name="train")

    def feeds(random):
        return {
            "images:0": normal(random, BATCH, SIDE, SIDE, 3),
            "labels:0": random.randint(0, CLASSES, BATCH),
        }

    return Network(feeds, loss, [train])


def batch_norm(tf, x, name, averages):
    """Return x normalised by its own batch; append what moves the averages."""
    channels = [x.shape[-1]]
    scale = tf.get_variable(f"{name}/scale", channels, initializer=tf.ones_initializer())
    offset = tf.get_variable(f"{name}/offset", channels, initializer=tf.zeros_initializer())
    made, *found = tf.nn.fused_batch_norm(x, scale, offset)
    for kind, value in zip(("mean", "variance"), found):
        begin = tf.zeros(channels) if kind == "mean" else tf.ones(channels)
        average = tf.get_variable(f"{name}/moving_{kind}", initializer=begin, trainable=False)
        averages.append(tf.assign_sub(average, (average - value) * 0.1).op)
    return made


def generative_adversarial(tf):
    """A generator of transposed convolutions against a discriminator, an optimizer each."""
    images = tf.placeholder(tf.float32, [BATCH, SIDE, SIDE, 1], "images")
    noise = tf.placeholder(tf.float32, [BATCH, 6], "noise")
    with tf.variable_scope("generator"):
        hidden = tf.nn.relu(dense(tf, noise, 2 * 2 * 4, "seeds"))
        hidden = tf.nn.relu(transposed(tf, tf.reshape(hidden, [-1, 2, 2, 4]), 4, 3, "larger"))
        made = tf.tanh(transposed(tf, hidden, 8, 1, "largest"))
    with tf.variable_scope("discriminator") as scope:
        real = judged(tf, images)
        scope.reuse_variables()
        false = judged(tf, made)
    ones, zeros = tf.ones_like(real), tf.zeros_like(false)
    against = crossed(tf, real, ones) + crossed(tf, false, zeros)
    loss = tf.identity(crossed(tf, false, ones), name="loss")
    train = [
        tf.train.AdamOptimizer(2e-3, beta1=0.5, epsilon=1e-4).minimize(
            value, var_list=tf.trainable_variables(scope), name=f"train_{scope}"
        )
        for value, scope in ((against, "discriminator"), (loss, "generator"))
    ]

    def feeds(random):
        return {
            "images:0": normal(random, BATCH, SIDE, SIDE, 1),
            "noise:0": normal(random, BATCH, 6),
        }

    return Network(feeds, loss, train)


def transposed(tf, x, side, channels, name):
    kernel = tf.get_variable(f"{name}/kernel", [3, 3, channels, x.shape[-1]])
    shape = [BATCH, side, side, channels]
    return tf.nn.conv2d_transpose(x, kernel, shape, [1, 2, 2, 1])


def judged(tf, images):
    hidden = tf.nn.leaky_relu(convolution(tf, images, 4, "first", strides=2))
    return dense(tf, tf.reshape(hidden, [BATCH, -1]), 1, "logit")


def crossed(tf, logits, labels):
    each = tf.nn.sigmoid_cross_entropy_with_logits(logits=logits, labels=labels)
    return tf.reduce_mean(each)


def bytes_as_input(tf):
    """Images as bytes, scaled in the graph, under max pooling."""
    images = tf.placeholder(tf.uint8, [BATCH, SIDE, SIDE, 3], "images")
    labels = tf.placeholder(tf.int32, [BATCH], "labels")
    hidden = tf.cast(images, tf.float32) / 255.0
    hidden = tf.nn.relu(convolution(tf, hidden, 4, "conv"))
    hidden = tf.nn.max_pool(hidden, [1, 2, 2, 1], [1, 2, 2, 1], "SAME")
    logits = dense(tf, tf.reshape(hidden, [BATCH, -1]), CLASSES, "logits")
    loss = cross_entropy(tf, logits, labels)
    train = tf.train.GradientDescentOptimizer(0.1).minimize(loss, name="train")

    def feeds(random):
        return {
            "images:0": random.randint(0, 256, (BATCH, SIDE, SIDE, 3)).astype("uint8"),
            "labels:0": random.randint(0, CLASSES, BATCH),
        }

    return Network(feeds, loss, [train])
