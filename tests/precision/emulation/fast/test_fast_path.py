"""What the fast path leaves out or joins: bit-equal to the letter, every overflow seen."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from lenet_exp import tf_compat
from lenet_exp.precision import assign, emulate
from tests.precision import lenet_graph
from tests.precision.chip import FINITE_HALVES, compute, emulated, kept, same_bits
from tests.precision.emulation.test_emulate import (
    BATCH,
    initial_values,
    lenet_batches,
    run_steps,
    same_values,
)
from tests.precision.small import ALLOW, CUBE, FORCE, MIX, floats, graph_of

HALVES = FINITE_HALVES.astype(np.float32)
BETWEEN = HALVES * np.float32(1 + 2.0**-12)  # near midpoints, and beyond 65520


def both_paths(build, feeds, **options):
    """Assert that a graph gives the same bits and flag on both paths; return the flag."""
    (fast, flag), (exact, expected) = (
        compute(build, feeds, FORCE, reference=reference, optimize=not reference, **options)
        for reference in (False, True)
    )
    for one, other in zip(fast, exact):
        same_bits(one, other)
    assert flag is expected
    return flag


def pairs(count, seed, scale=1.0):
    random = np.random.RandomState(seed)
    return [(random.randn(count, 8, 8, 16) * scale).astype(np.float32) for _ in range(2)]


def sigmoid(tf):
    return tf.sigmoid(floats(tf, "x", HALVES.shape))


@pytest.mark.parametrize("generation", ["today", "2021"])
@pytest.mark.parametrize("values", [HALVES, BETWEEN], ids=["halves", "between"])
def test_sigmoid_of_every_half(values, generation):
    both_paths(sigmoid, {"x:0": values}, generation=generation)
    calm = np.where(np.abs(values) < 11, values, 0)
    assert not both_paths(sigmoid, {"x:0": calm}, generation=generation)


@pytest.mark.parametrize("generation", ["today", "2021"])
@pytest.mark.parametrize("scale", [1.0, 2.0**-18, 1e5], ids=["usual", "subnormal", "too large"])
def test_sigmoid_grad_of_large_tensors(scale, generation):
    def build(tf):
        output, gradient = (floats(tf, name, (16, 8, 8, 16)) for name in "yg")
        return tf.raw_ops.SigmoidGrad(y=output, dy=gradient)

    outputs, gradients = pairs(16, 1)
    feeds = {"y:0": 1 / (1 + np.exp(-outputs)), "g:0": gradients * np.float32(scale)}
    assert both_paths(build, feeds, generation=generation) is (scale > 1e4)


def test_a_bias_after_a_bias_is_added_in_its_turn():
    """TensorFlow's optimizer would take x + (a + b) for (x + a) + b, with other roundings."""

    def build(tf):
        kernel = tf.get_variable("kernel", [3, 3, 16, 6])
        value = tf.nn.conv2d(floats(tf, "x", (32, 8, 8, 16)), kernel, [1] * 4, "SAME")
        for name in "abc":
            value = tf.nn.bias_add(value, tf.get_variable(name, [6]))
        return value

    random = np.random.RandomState(2)
    initial = {name: random.randn(6) for name in "abc"}
    initial["kernel"] = random.randn(3, 3, 16, 6)
    both_paths(build, {"x:0": pairs(32, 3)[0]}, initial=initial)


@pytest.mark.parametrize("scale", [1.0, 2.0**-20, 3e4], ids=["usual", "subnormal", "too large"])
def test_a_convolution_its_bias_and_sigmoid(scale):
    def build(tf):
        kernel, bias = tf.get_variable("kernel", [3, 3, 16, 6]), tf.get_variable("bias", [6])
        product = tf.nn.conv2d(floats(tf, "x", (32, 8, 8, 16)), kernel, [1] * 4, "SAME")
        return tf.sigmoid(tf.nn.bias_add(product, bias))

    random = np.random.RandomState(2)
    initial = {"kernel": random.randn(3, 3, 16, 6), "bias": random.randn(6)}
    feeds = {"x:0": pairs(32, 3, scale)[0]}
    assert both_paths(build, feeds, initial=initial) is (scale > 1e3)


@pytest.mark.parametrize("scale", [1.0, 1e4], ids=["usual", "too large"])
@pytest.mark.parametrize("factor", [0.0, 2.0**-25], ids=["zero", "zero in float16"])
def test_an_overflow_that_a_constant_hides_is_seen(factor, scale):
    """Variables: only their shapes are known for certain, so that 1.15 folds the product."""

    def build(tf):
        product = tf.matmul(*(tf.get_variable(name, [8, 8]) for name in "ab"))
        return tf.sigmoid(tf.multiply(product, tf.constant(factor)) + floats(tf, "x", (8, 8)))

    one, other, feed = (np.random.RandomState(4).randn(3, 8, 8) * scale).astype(np.float32)
    initial = {"a": one, "b": other}
    assert both_paths(build, {"x:0": feed / 1e4}, initial=initial) is (scale > 1)


@pytest.mark.parametrize("kind", ["bool", "int8", "uint8", "int16", "int32"])
@pytest.mark.parametrize("scale", [1.0, 1e30], ids=["usual", "too large"])
def test_an_overflow_that_a_cast_loses_is_seen(kind, scale):
    """Infinity is true, and some integer; 0 times it is NaN, and 0 on the chip."""

    def build(tf):
        product = tf.matmul(floats(tf, "x", (4, 4)), tf.get_variable("weights", [4, 4]))
        return tf.cast(tf.cast(product, kind), tf.float32) * floats(tf, "y", (4, 4))

    feeds = {"x:0": np.eye(4, dtype=np.float32) * np.float32(scale), "y:0": np.ones((4, 4))}
    assert both_paths(build, feeds, initial={"weights": np.eye(4)}) is (scale > 1)


MODES = (MIX, FORCE, *(pytest.param(mode, marks=pytest.mark.full) for mode in (ALLOW, CUBE)))


@pytest.mark.parametrize("value", [1e30, np.inf, -1e5], ids=["large", "infinite", "negative"])
@pytest.mark.parametrize("mode", MODES)
def test_an_overflow_in_one_weight_or_pixel_is_seen(mode, value):
    initial = initial_values(lenet_graph.training_graph("none", BATCH))
    rounded = [name for name in initial if name.endswith(("kernel", "bias"))]
    seen = []
    for reference in (False, True):
        run, _ = kept(lenet_step, mode=mode, reference=reference, optimize=not reference)
        seen.append({name: flag_with(run, initial, name, value) for name in (*rounded, "images")})
    assert seen[0] == seen[1]
    assert seen[0]["images"]


def lenet_step():
    return lenet_graph.training_graph("none", BATCH), ["train"]


def flag_with(run, initial, name, value):
    """Return the flag after a step with one element of a tensor set to this value."""
    (feeds,) = lenet_batches(1)
    changed = dict(initial)
    if name == "images":
        feeds["images:0"][-1, -1, -1, 0] = value
    else:
        changed[name] = np.array(initial[name])
        changed[name].flat[-1] = value
    run.begin(changed)
    run("train", feeds)
    return run.flag


def in_turn(tf, pairs_):
    """Return updates by the same rate, each waiting for the one before."""
    rate, done = tf.constant(0.1), []
    for gradient, variable in pairs_:
        with tf.control_dependencies(done):
            delta = tf.identity(gradient)
        ref = variable._ref()
        done = [tf.raw_ops.ApplyGradientDescent(var=ref, alpha=rate, delta=delta).op]
    return tf.group(*done, name="train")


def at_once(make):
    return lambda tf, pairs_: make(tf.train).apply_gradients(pairs_, name="train")


UPDATES = {
    "adam": at_once(lambda train: train.AdamOptimizer(0.1, epsilon=1e-4)),
    "momentum": at_once(lambda train: train.MomentumOptimizer(0.1, 0.9, use_nesterov=True)),
    "descent": at_once(lambda train: train.GradientDescentOptimizer(0.1)),
    "in turn": in_turn,
}


def updates_graph(update):
    """Return updates of a vector, a matrix and a scalar."""
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        pairs_ = [
            (floats(tf, f"g{i}", shape), tf.get_variable(f"v{i}", shape))
            for i, shape in enumerate(([5], [120, 80], []))
        ]
        update(tf, pairs_)
    return graph.as_graph_def()


@pytest.mark.parametrize("update", UPDATES.values(), ids=UPDATES)
@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e6], ids=["usual", "small", "too large"])
def test_updates_that_are_computed_together(scale, update):
    graph_def = updates_graph(update)
    initial = initial_values(graph_def)
    random = np.random.RandomState(0)
    shapes = {"g0:0": [5], "g1:0": [120, 80], "g2:0": []}
    batches = [
        {name: np.float32(random.randn(*shape) * scale) for name, shape in shapes.items()}
        for _ in range(3)
    ]
    plan = assign(graph_def, FORCE, fetches=["train"])
    fast, exact = (
        run_steps(graph_def, plan, ["train"], initial, batches, reference)
        for reference in (False, True)
    )
    for one, other in zip(fast, exact):
        for got, expected in zip(one[1], other[1]):
            same_values(got, expected)
        assert one[2] is other[2]
    assert fast[-1][2] is (scale > 1)


@pytest.mark.parametrize("betas", [(0.9, 0.9999), (0.9999, 0.999), (0.9, 0.999)])
@pytest.mark.parametrize("size", [1e3, 1.0], ids=["too large to square", "usual"])
def test_an_overflow_in_adam_is_seen_whatever_its_betas(size, betas):
    """0.9999 is 1 in float16, and 1 minus it a factor of 0."""
    graph_def = updates_graph(at_once(lambda train: train.AdamOptimizer(0.1, *betas, epsilon=1e-4)))
    batch = {f"g{i}:0": np.full(shape, size) for i, shape in enumerate(([5], [120, 80], []))}
    plan = assign(graph_def, FORCE, fetches=["train"])
    initial = initial_values(graph_def)
    for reference in (False, True):
        ((_, _, overflowed),) = run_steps(graph_def, plan, ["train"], initial, [batch], reference)
        assert overflowed is (size > 1)


def many_small(tf):
    x = floats(tf, "x", (4, 4))
    return [tf.sigmoid(x * tf.get_variable(f"w{i}", [4, 4])) for i in range(8)]


@pytest.mark.parametrize("layer", [0, 3, 7, None])
@pytest.mark.parametrize("sign", [1, -1])
def test_an_overflow_in_one_of_many_small_tensors_is_seen(layer, sign):
    """They are tested together; of two the infinities cancel."""
    initial = {f"w{i}": np.full((4, 4), 1.0 + i / 8) for i in range(8)}
    if layer is not None:
        initial[f"w{layer}"][1, 2] = 6e4 * sign
        initial["w5"][1, 2] = -6e4
    feeds = {"x:0": np.full((4, 4), 8, np.float32)}
    assert both_paths(many_small, feeds, initial=initial) is (layer is not None)


# What comes between a product that overflows and the tensor that is tested, by its name.
PASSING = {
    "add_n": lambda tf, one, other: tf.add_n([other, one, other]),
    "concat": lambda tf, one, other: tf.concat([other, one], 1),
    "stack": lambda tf, one, other: tf.stack([one, other]),
    "pad": lambda tf, one, other: tf.pad(one, [[1, 1], [0, 2]]),
    "sum": lambda tf, one, other: tf.reduce_sum(one, 0),
    "mean": lambda tf, one, other: tf.reduce_mean(one, 1),
    "squared_difference": lambda tf, one, other: tf.math.squared_difference(one, other),
    "tanh": lambda tf, one, other: tf.tanh(one),
    "tanh_grad": lambda tf, one, other: tf.raw_ops.TanhGrad(y=tf.tanh(other), dy=one),
    "tanh_grad of it": lambda tf, one, other: tf.raw_ops.TanhGrad(y=tf.tanh(one), dy=other),
    "batch_matmul": lambda tf, one, other: tf.matmul(one[None], other[None]),
    "a chain": lambda tf, one, other: (one + other) * other - one / other,
    "of bools": lambda tf, one, other: tf.cast(one > other, tf.float32) * other,
    "of zeros": lambda tf, one, other: one * (other - other),
}


@functools.lru_cache(maxsize=None)
def passing(name):
    def build(tf):
        product = floats(tf, "x", (4, 4)) * tf.get_variable("w", [4, 4])
        passed = PASSING[name](tf, product, floats(tf, "y", (4, 4)))
        return [tf.sigmoid(passed), tf.nn.relu(passed) * 2.0]

    return build  # the same of each name, so that its session is


@pytest.mark.parametrize("value", [8.0, 6e4, -6e4, np.inf, np.nan], ids=str)
@pytest.mark.parametrize("name", PASSING)
def test_an_overflow_is_seen_behind_what_it_passes(name, value):
    feeds = {"x:0": np.full((4, 4), 2, np.float32), "y:0": np.full((4, 4), 3, np.float32)}
    feeds["x:0"][2, 1] = value
    initial = {"w": np.full((4, 4), 1.5)}
    assert both_paths(passing(name), feeds, initial=initial) is (value != 8)


# What a weight is multiplied by: none of it can be constant.
FACTORS = {
    "elu": lambda tf, x: tf.nn.elu(x),
    "slice": lambda tf, x: x[:, 2:6],
    "split": lambda tf, x: tf.split(x, 2, 1)[0],
    "gather": lambda tf, x: tf.gather(x, [3, 0, 1, 2]),
    "maximum": lambda tf, x: tf.maximum(x, 0.0),
    "softmax": lambda tf, x: tf.nn.softmax(x),
    "stack": lambda tf, x: tf.concat([x, x], 1),
    "add_n": lambda tf, x: tf.add_n([x, x, x]),
}


@functools.lru_cache(maxsize=None)
def multiplied(name):
    def build(tf):
        factor = FACTORS[name](tf, floats(tf, "x", (4, 8)))
        weights = tf.get_variable("w", [factor.shape[1], 3])
        return tf.sigmoid(tf.matmul(factor, weights))

    return build


@pytest.mark.parametrize("value", [0.5, 1e6, -np.inf, np.nan], ids=str)
@pytest.mark.parametrize("size", [0.0, 1.0], ids=["zeros", "ones"])
@pytest.mark.parametrize("name", FACTORS)
def test_an_overflow_of_a_weight_is_seen_in_its_product(name, size, value):
    width = {"slice": 4, "split": 4, "stack": 16}.get(name, 8)
    initial = {"w": np.full((width, 3), 0.5)}
    initial["w"][1, 2] = value
    feeds = {"x:0": np.full((4, 8), size, np.float32)}
    assert both_paths(multiplied(name), feeds, initial=initial) is (value != 0.5)


SEVERAL = [(6, 3), (2, 3), (), (7,), (5, 3), (), (3, 3, 2, 4), (1,)]


@pytest.mark.parametrize("reference", [False, True], ids=["fast", "reference"])
def test_updates_of_many_shapes_are_those_of_each_alone(reference):
    def build(tf):
        grads = [floats(tf, f"g{i}", shape) for i, shape in enumerate(SEVERAL)]
        held = [tf.get_variable(f"v{i}", shape) for i, shape in enumerate(SEVERAL)]
        optimizer = tf.train.AdamOptimizer(0.1, epsilon=1e-4)
        return optimizer.apply_gradients(zip(grads, held), name="train")

    graph_def, _ = graph_of(build)
    random, initial = np.random.RandomState(0), initial_values(graph_def)
    feeds = {f"g{i}:0": np.float32(random.randn(*shape)) for i, shape in enumerate(SEVERAL)}
    with emulated(graph_def, ["train"], FORCE, initial, reference) as run:
        run("train", feeds)
        together = run.get_all(initial)
        run.begin(initial)
        for i in range(len(SEVERAL)):
            run(f"train/update_v{i}/ApplyAdam", feeds)
        alone = run.get_all(initial)
    powers = [place for place, name in enumerate(initial) if name.endswith("_power")]
    for place, (one, other) in enumerate(zip(together, alone)):
        if place not in powers:  # those are updated at the end
            same_values(one, other)


def test_lenets_updates_are_computed_as_one():
    graph_def = lenet_graph.training_graph("none", BATCH)
    made = emulate(graph_def, assign(graph_def, FORCE, fetches=lenet_graph.FETCHES))
    roots = [node for node in made.graph_def.node if node.op == "Sqrt"]
    assert len(roots) == 2  # of v, and of 1 - beta2_power, where ten variables had twenty


def test_one_update_alone_leaves_the_others_as_they_are():
    graph_def = lenet_graph.training_graph("none", BATCH)
    initial = initial_values(graph_def)
    with emulated(graph_def, ["train"], FORCE, initial) as run:
        run("train/update_fc1/bias/ApplyAdam", lenet_batches(1)[0])
        changed = [n for n in initial if not np.array_equal(run.get(n), np.float32(initial[n]))]
    assert set(changed) == {"fc1/bias", "fc1/bias/Adam", "fc1/bias/Adam_1"}
