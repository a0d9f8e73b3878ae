"""While loops of version 1: by the letter, as the same graph unrolled, and on both paths."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from lenet_exp import tf_compat
from lenet_exp.training.loss_scale import nothing_overflowed
from tests.precision.chip import compute, same_bits, saturate
from tests.precision.emulation.test_emulate import BOTH, MODES, check_paths
from tests.precision.small import ALLOW, FORCE, KEEP, MIX, floats

STEPS, BATCH, WIDTH = 3, 4, 8


def trained(make):
    """Return the GraphDef of a training step whose loss is the mean square of make(tf, x)."""
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        value = make(tf, floats(tf, "x", (BATCH, STEPS, WIDTH)))
        loss = tf.reduce_mean(tf.square(value), name="loss")
        tf.train.AdamOptimizer(0.1, epsilon=1e-4).minimize(loss, name="train")
    return graph.as_graph_def()


def lstm(tf, x, state, name="lstm"):
    """Return an LSTM's next output and memory."""
    output, memory = state
    with tf.variable_scope(name, reuse=tf.AUTO_REUSE):
        kernel = tf.get_variable("kernel", [2 * WIDTH, 4 * WIDTH])
        bias = tf.get_variable("bias", [4 * WIDTH])
    gates = tf.nn.bias_add(tf.matmul(tf.concat([x, output], 1), kernel), bias)
    new, begin, forget, end = tf.split(gates, 4, 1)
    memory = memory * tf.sigmoid(forget + 1.0) + tf.sigmoid(begin) * tf.tanh(new)
    return tf.tanh(memory) * tf.sigmoid(end), memory


def recurrent(tf, x):
    """Return what `dynamic_rnn` does: inputs and outputs are TensorArrays."""
    inputs = tf.TensorArray(tf.float32, STEPS, element_shape=[BATCH, WIDTH])
    inputs = inputs.unstack(tf.transpose(x, [1, 0, 2]))
    outputs = tf.TensorArray(tf.float32, STEPS, element_shape=[BATCH, WIDTH])
    zero = tf.zeros([BATCH, WIDTH])

    def body(i, output, memory, outputs):
        output, memory = lstm(tf, inputs.read(i), (output, memory))
        return i + 1, output, memory, outputs.write(i, output)

    made = tf.while_loop(lambda i, *_: i < STEPS, body, [0, zero, zero, outputs], name="rnn")
    return made[3].stack()


class Cell:
    """A cell as `dynamic_rnn` takes it."""

    output_size, state_size = WIDTH, (WIDTH, WIDTH)

    def __init__(self, tf):
        self._tf = tf

    def __call__(self, x, state):
        output, memory = lstm(self._tf, x, state)
        return output, (output, memory)

    def zero_state(self, batch, dtype):
        return self._tf.zeros([batch, WIDTH], dtype), self._tf.zeros([batch, WIDTH], dtype)


def dynamic_rnn(tf, x):
    lengths = tf.constant([STEPS, 1, 2, STEPS])
    return tf.nn.dynamic_rnn(Cell(tf), x, lengths, dtype=tf.float32)[0]


def reading(tf, x):
    """Return a loop that reads a resource variable in every iteration, and parts it, as Keras."""
    kernel = tf.get_variable("kernel", [WIDTH, WIDTH], use_resource=True)

    def body(i, value):
        one, other = tf.split(kernel.read_value(), 2, 1)
        return i + 1, tf.tanh(
            tf.matmul(value, tf.concat([tf.transpose(other), tf.transpose(one)], 0))
        )

    return tf.while_loop(lambda i, _: i < STEPS, body, [0, x[:, 0]], name="loop")[1]


def nested(tf, x):
    """Return a loop inside a loop, both with a gradient."""

    def inner(i, value):
        kernel = tf.get_variable("kernel", [WIDTH, WIDTH])
        again = lambda j, v: (j + 1, tf.tanh(tf.matmul(v, kernel)))  # noqa: E731
        return i + 1, tf.while_loop(lambda j, _: j < 2, again, [0, value], name="inner")[1]

    with tf.variable_scope("", reuse=tf.AUTO_REUSE):
        tf.get_variable("kernel", [WIDTH, WIDTH])
        start = [0, x[:, 0]]
        return tf.while_loop(lambda i, _: i < STEPS, inner, start, name="outer")[1]


def branching(tf, x):
    """Return a cond inside a loop: another branch in every other iteration."""
    kernel = tf.get_variable("kernel", [WIDTH, WIDTH])

    def body(i, value):
        even = tf.equal(i % 2, 0)
        product = tf.matmul(value, kernel)
        value = tf.cond(even, lambda: tf.sigmoid(product * 2.0), lambda: tf.nn.relu(product) - 0.5)
        return i + 1, value

    return tf.while_loop(lambda i, _: i < STEPS, body, [0, x[:, 0]], name="loop")[1]


def decoder(tf, x):
    """Return a decoder that stops by itself, with what it says fed back and attended to."""
    said = tf.TensorArray(tf.float32, 0, dynamic_size=True, element_shape=[BATCH, WIDTH])
    start = tf.get_variable("start", [BATCH, WIDTH])

    def body(i, output, memory, said):
        scores = tf.nn.softmax(tf.squeeze(tf.matmul(x, tf.expand_dims(output, 2)), 2))
        context = tf.reduce_sum(x * tf.expand_dims(scores, 2), 1)
        output, memory = lstm(tf, context, (output, memory))
        return i + 1, output, memory, said.write(i, output)

    def going_on(i, output, *_):
        return tf.logical_and(i < STEPS, tf.reduce_max(output) < 10.0)

    loop = tf.while_loop(going_on, body, [0, start, tf.zeros([BATCH, WIDTH]), said], name="decode")
    return loop[3].stack()


NETWORKS = [recurrent, dynamic_rnn, reading, nested, branching, decoder]
SIZES = {"calm": (1, 1, 1), "first": (1e6, 1, 1), "second": (1, 1e6, 1)}  # of the inputs


def training_rows():
    for make, mode, when in itertools.product(NETWORKS, MODES, SIZES):
        quick = when == "second" and (mode == FORCE or (mode, make) == (MIX, recurrent))
        marks = [] if quick else [pytest.mark.full]
        yield pytest.param(make, mode, when, id=f"{make.__name__} {mode} {when}", marks=marks)


@pytest.mark.parametrize(("make", "mode", "when"), training_rows())
def test_both_paths_of_a_training_loop_give_the_same_bits(make, mode, when):
    random = np.random.RandomState(3)
    shape, sizes = (BATCH, STEPS, WIDTH), SIZES[when]
    batches = [{"x:0": (random.randn(*shape) * size).astype(np.float32)} for size in sizes]
    flags = check_paths(trained(make), ["train", "loss:0"], mode, "today", batches)
    if mode in (MIX, KEEP):  # nothing clears it
        assert flags == [mode == MIX and max(sizes[: step + 1]) > 1 for step in range(3)]


def from_zero(tf, x):
    """Return a loop that takes its input inside: by a back edge alone does its end need that."""
    kernel = tf.get_variable("kernel", [WIDTH, WIDTH])
    body = lambda i, value: (i + 1, tf.tanh(tf.matmul(value + x[:, i], kernel)))  # noqa: E731
    return tf.while_loop(lambda i, _: i < STEPS, body, [0, tf.zeros([BATCH, WIDTH])])[1]


def scanned(tf, x):
    """Return what `scan` does with it."""
    kernel = tf.get_variable("kernel", [WIDTH, WIDTH])
    cell = lambda state, value: tf.tanh(tf.matmul(value + state, kernel))  # noqa: E731
    return tf.scan(cell, tf.transpose(x, [1, 0, 2]), tf.zeros([BATCH, WIDTH]))


def scaled(make, scale):
    """Return the GraphDef of a step that is skipped where a gradient of loss * scale overflows."""
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        value = make(tf, floats(tf, "x", (BATCH, STEPS, WIDTH)))
        loss = tf.reduce_mean(tf.square(value), name="loss")
        optimizer = tf.train.MomentumOptimizer(0.1, 0.9)
        pairs = optimizer.compute_gradients(loss * scale)
        pairs = [(gradient * (1 / scale), variable) for gradient, variable in pairs]
        gradients = [gradient for gradient, _ in pairs]
        finite = nothing_overflowed(tf.identity(tf.zeros([8])), gradients, "finite")
        tf.cond(finite, lambda: optimizer.apply_gradients(pairs), tf.no_op, name="update")
    return graph.as_graph_def()


SCALED = [
    pytest.param(make, mode, marks=[] if (make, mode) == (from_zero, FORCE) else pytest.mark.full)
    for make in (from_zero, scanned, dynamic_rnn)
    for mode in MODES
]


@pytest.mark.parametrize(("make", "mode"), SCALED)
@pytest.mark.parametrize("scale", [16.0, 2.0**30])
def test_both_paths_of_a_scaled_training_loop_give_the_same_bits(make, mode, scale):
    """What is made of a gradient waits for what enters the loop: a back edge alone says so."""
    shape, random = (BATCH, STEPS, WIDTH), np.random.RandomState(3)
    batches = [{"x:0": random.randn(*shape).astype(np.float32)} for _ in range(2)]
    fetches = ["update/Merge:0", "finite:0", "loss:0"]
    flags = check_paths(scaled(make, scale), fetches, mode, "today", batches)
    assert flags == [False, False]  # it was cleared


@BOTH
def test_an_overflow_that_only_a_back_edge_gives_on_is_seen(reference):
    def build(tf):
        doubled = floats(tf, "x", (2, 2)) * 2.0
        body = lambda i, _, second: (i + 1, tf.minimum(second, 8.0), second)  # noqa: E731
        start = [0, floats(tf, "y", (2, 2)), doubled]
        return tf.while_loop(lambda i, *_: i < 2, body, start)[1] + 1.0

    for size, expected in ((1, False), (1e5, True)):
        values = np.full((2, 2), size, np.float32)
        feeds = {"x:0": values, "y:0": np.zeros_like(values)}
        (got,), flag = compute(build, feeds, FORCE, reference=reference)
        assert flag is expected
        same_bits(got, np.full((2, 2), 3 if size == 1 else 9))


def dense(tf, value):
    """Return a layer whose input the modes cast and whose end is float16 in all of them."""
    with tf.variable_scope("", reuse=tf.AUTO_REUSE):
        kernel = tf.get_variable("kernel", [WIDTH, WIDTH])
    return tf.sigmoid(tf.matmul(value, kernel)) * 3.0


def recurrence(tf, value):
    output, memory = lstm(tf, value, (value, value * 0.5))
    return output + memory


def repeated(layer, in_loop):
    """Return the graph of some layers on each other: a loop, or one after another."""

    def build(tf):
        x = floats(tf, "x", (BATCH, WIDTH))
        layer(tf, x)  # outside, so that a loop has no initialiser inside
        if in_loop:
            body = lambda i, value: (i + 1, layer(tf, value))  # noqa: E731
            return tf.while_loop(lambda i, _: i < STEPS, body, [0, x], name="loop")[1]
        for _ in range(STEPS):
            x = layer(tf, x)
        return x

    return build


@BOTH
@pytest.mark.parametrize(
    ("layer", "mode"), [(dense, MIX), (dense, ALLOW), (dense, FORCE), (recurrence, FORCE)]
)
@pytest.mark.parametrize("scale", [1, 3e4])
def test_a_loop_gives_the_bits_of_the_same_graph_unrolled(layer, mode, scale, reference):
    random = np.random.RandomState(4)
    feeds = {"x:0": random.randn(BATCH, WIDTH).astype(np.float32)}
    kernel = random.randn(*((2 * WIDTH, 4 * WIDTH) if layer is recurrence else (WIDTH, WIDTH)))
    prefix = "lstm/" if layer is recurrence else ""
    initial = {f"{prefix}kernel": kernel * scale}
    if layer is recurrence:
        initial["lstm/bias"] = random.randn(4 * WIDTH)
    (looped, flag), (unrolled, expected) = (
        compute(repeated(layer, in_loop), feeds, mode, initial, reference)
        for in_loop in (True, False)
    )
    same_bits(looped[0], unrolled[0])
    assert flag is expected is (scale > 1)


@BOTH
def test_an_overflow_in_one_iteration_alone_is_seen(reference):
    """And one in the loop's condition, whose value no end of the loop takes."""

    def build(tf):
        factor = floats(tf, "by", ())

        def body(i, value):
            return i + 1, tf.minimum(value * 4.0, 8.0)

        def going_on(i, value):
            return tf.logical_and(i < STEPS, tf.reduce_max(value * factor) > 0.0)

        return tf.while_loop(going_on, body, [0, floats(tf, "x", (2, 2))], name="loop")[1]

    for value, by, expected in ((1, 2, False), (2e4, 2, True), (1, 1e4, True), (100, 1e3, True)):
        feeds = {"x:0": np.full((2, 2), value, np.float32), "by:0": np.float32(by)}
        (got,), flag = compute(build, feeds, FORCE, reference=reference)
        assert flag is expected, (value, by)
        same_bits(got, np.full((2, 2), 8.0))


EDGES = np.array([0, 65503, 65504, 65519, 65520, 1e5, 3e38, np.inf, np.nan, 2.0**-24, 2.0**-26, 1])


@BOTH
@pytest.mark.parametrize("choose", [False, True], ids=["loop", "branch of a loop"])
@pytest.mark.parametrize("sign", [1, -1])
def test_each_value_in_a_loop_is_rounded_as_the_rules_say(sign, choose, reference):
    def build(tf):
        def body(i, value):
            value = value * 1.0
            return i + 1, tf.cond(
                i < 1, lambda: value * 1.0, lambda: value * -1.0
            ) if choose else value

        return tf.while_loop(lambda i, _: i < 2, body, [0, floats(tf, "x", EDGES.shape)])[1]

    for values, expected in ((EDGES * sign, True), (EDGES[[0, 1, 2, 3, 9, 10, 11]], False)):
        padded = np.resize(values, EDGES.shape).astype(np.float32)
        (got,), flag = compute(build, {"x:0": padded}, FORCE, reference=reference)
        same_bits(got, saturate(padded) * np.float16(-1 if choose else 1))
        assert flag is expected


@BOTH
def test_a_weight_that_overflows_is_seen_in_a_loop(reference):
    """It is rounded in front of the loop, once for all iterations."""
    initial = {"kernel": np.full((WIDTH, WIDTH), 1e5)}
    build = repeated(dense, in_loop=True)
    feeds = {"x:0": np.zeros((BATCH, WIDTH), np.float32)}
    _, flag = compute(build, feeds, MIX, initial, reference)
    assert flag


@BOTH
@pytest.mark.parametrize("choice", [True, False])
def test_a_constant_that_is_cast_stays_in_its_branch(choice, reference):
    def build(tf):
        x, chosen = floats(tf, "x", (2, 2)), tf.placeholder(tf.bool, [], "choice")
        value = tf.cond(chosen, lambda: x * 2.0, lambda: tf.constant(3.0, shape=[2, 2]))
        partly = tf.cond(chosen, lambda: tf.reduce_sum(x * x), lambda: tf.reduce_sum(value))
        return value, tf.gradients(partly, x)[0]

    feeds = {"x:0": np.full((2, 2), 5, np.float32), "choice:0": choice}
    for _ in range(3):
        (value, gradient), _ = compute(build, feeds, FORCE, reference=reference)
        same_bits(value, np.full((2, 2), 10 if choice else 3))
        same_bits(gradient, np.full((2, 2), 10 if choice else 0))
