"""The parts that are computed again by themselves: what a run demands, draws, and waits for."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from lenet_exp import tf_compat
from lenet_exp.precision import assign, emulate
from tests.precision.chip import Run, session_of
from tests.precision.emulation.test_emulate import check_paths, initial_values, same_values
from tests.precision.small import ALLOW, FORCE, KEEP, MIX, floats
from tests.stacks import FULL_ON_TF1

BOTH = pytest.mark.parametrize("reference", [False, True], ids=["fast", "reference"])
MODES = pytest.mark.parametrize(
    "mode",
    [
        MIX,
        pytest.param(ALLOW, marks=FULL_ON_TF1),
        FORCE,
        pytest.param(KEEP, marks=pytest.mark.full),
    ],
)
STEPS = ("generator", "discriminator")


def _dense(tf, inputs, scope, width):
    with tf.variable_scope(scope, reuse=tf.AUTO_REUSE):
        kernel = tf.get_variable("kernel", [int(inputs.shape[-1]), width])
        return tf.nn.bias_add(tf.matmul(inputs, kernel), tf.get_variable("bias", [width]))


@functools.lru_cache(maxsize=None)
def two_optimizers():
    """Return a generator's and a discriminator's step: one needs noise alone, one images too."""
    tf = tf_compat.load()

    def judged(images):
        hidden = tf.nn.dropout(tf.nn.relu(_dense(tf, images, "judge/first", 8)), rate=0.25)
        return _dense(tf, hidden, "judge/second", 1)

    with tf.Graph().as_default() as graph:
        tf.set_random_seed(1)
        made = tf.sigmoid(_dense(tf, floats(tf, "noise", (4, 3)), "generator/first", 6))
        false, true = judged(made), judged(floats(tf, "images", (4, 6)))
        losses = tf.nn.l2_loss(false - 1.0), tf.nn.l2_loss(false) + tf.nn.l2_loss(true - 1.0)
        for name, loss, scope in zip(STEPS, losses, ("generator", "judge")):
            optimizer = tf.train.AdamOptimizer(0.1, epsilon=1e-4)
            names = tf.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES, scope)
            optimizer.minimize(tf.identity(loss, f"{name}_loss"), None, names, name=name)
    return graph.as_graph_def(), [*STEPS, *(f"{name}_loss:0" for name in STEPS)]


@functools.lru_cache(maxsize=None)
def two_emulated(mode, reference):
    graph_def, fetches = two_optimizers()
    return emulate(graph_def, assign(graph_def, mode, fetches=fetches), reference=reference)


def emulated_steps(mode, reference, plan, scales):
    """Return what each step of a plan, [(fetch, names fed)], leaves: values and the flag."""
    (graph_def, _), made = two_optimizers(), two_emulated(mode, reference)
    initial, random, found = initial_values(graph_def), np.random.RandomState(4), []
    shapes = {"noise": (4, 3), "images": (4, 6)}
    with session_of(made.graph_def) as session:
        run = Run(session, made, initial)
        for scale, (step, names) in zip(scales, plan):
            feeds = {f"{n}:0": np.float32(random.randn(*shapes[n]) * scale) for n in names}
            loss = run([f"{step}_loss:0", step], feeds)[0]
            found.append(([loss, *run.get_all(initial)], run.flag))
            run.clear()
    return found


ALTERNATELY = [
    ("generator", ["noise"]), ("discriminator", ["noise", "images"]), ("generator", ["noise"]),
]  # fmt: skip


@pytest.mark.parametrize("scales", [(1, 1, 1), (1e6, 1, 1), (1, 1e6, 1)], ids=["none", "1", "2"])
@MODES
def test_a_fetch_demands_only_what_it_needs(mode, scales):
    """Dropout is part of it: a branch that isn't needed draws no number, either."""
    fast, exact = (emulated_steps(mode, each, ALTERNATELY, scales) for each in (False, True))
    for (one, flag), (other, expected) in zip(fast, exact):
        for got, wanted in zip(one, other):
            same_values(got, wanted)
        assert flag is expected
    assert fast[0][1] is (mode != KEEP and scales[0] > 1)
    assert fast[1][1] or scales[1] == 1 or mode == KEEP


@BOTH
def test_nothing_is_drawn_for_what_is_not_fetched(reference):
    def drawn(first):
        graph_def, fetches = noisy_twice()
        made = emulate(graph_def, assign(graph_def, FORCE, fetches=fetches), reference=reference)
        with session_of(made.graph_def) as session:
            run = Run(session, made, {})
            x = {"x:0": np.ones((4, 8), np.float32)}
            for fetch in first:
                run(fetch, x)
            return run("second:0", x)

    same_values(drawn(["first:0", "first:0"]), drawn([]))


def noisy_twice():
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        tf.set_random_seed(1)
        square = tf.square(floats(tf, "x"))
        for name in ("first", "second"):
            tf.multiply(square, tf.random_normal([4, 8]), name=name)
    return graph.as_graph_def(), ["first:0", "second:0"]


@BOTH
def test_an_overflow_of_another_part_is_not_seen(reference):
    graph_def, fetches = two_losses()
    made = emulate(graph_def, assign(graph_def, FORCE, fetches=fetches), reference=reference)
    usual, large = np.ones((4, 8), np.float32), np.full((4, 8), 1e4, np.float32)
    with session_of(made.graph_def) as session:
        run = Run(session, made, {})
        rows = [
            ("one:0", {"x:0": usual, "y:0": large}, False), ("two:0", {"y:0": large}, True),
            ("both:0", {"x:0": usual, "y:0": usual}, False),
            ("both:0", {"x:0": usual, "y:0": large}, True),
        ]  # fmt: skip
        for fetch, feeds, flag in rows:
            run.clear()
            run(fetch, feeds)
            assert run.flag is flag, fetch


def two_losses():
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        one, two = (tf.square(floats(tf, name), name=f"{name}_square") for name in "xy")
        tf.reduce_mean(one, name="one")
        tf.reduce_mean(two, name="two")
        tf.add(one, two, name="both")
    return graph.as_graph_def(), ["one:0", "two:0", "both:0"]


def estimators_graph():
    """Return a training step as an Estimator builds it, with the read of its global step."""
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        tf.set_random_seed(1)
        step = tf.train.create_global_step()
        images = floats(tf, "images", (2, 6, 6, 1))
        kernel = tf.get_variable("kernel", [3, 3, 1, 4])
        hidden = tf.nn.relu(tf.nn.conv2d(images, kernel, [1] * 4, "SAME"))
        hidden = tf.nn.dropout(tf.reshape(hidden, [2, 144]), rate=0.4)
        logits = tf.matmul(hidden, tf.get_variable("dense", [144, 3]))
        loss = tf.losses.sparse_softmax_cross_entropy([0, 1], logits)
        with tf.name_scope(f"{step.op.name}/"):
            ready = tf.is_variable_initialized(step)
            read = tf.cond(ready, step.read_value, lambda: tf.constant(0, tf.int64))
            current = tf.add(read, 0, name="global_step")
        rate = tf.train.exponential_decay(0.1, current, 2, 0.5)
        train = tf.train.AdamOptimizer(rate, epsilon=1e-4).minimize(
            loss, tf.train.get_global_step()
        )
    return graph.as_graph_def(), [train.name, loss.name, current.name]


@pytest.mark.parametrize("resource", [False, True], ids=["ref", "resource"])
@pytest.mark.parametrize("large", [0, 1, None], ids=["first", "second", "none"])
@MODES
def test_an_estimator_s_step(mode, large, resource):
    tf = tf_compat.load()
    (tf.enable_resource_variables if resource else tf.disable_resource_variables)()
    try:
        graph_def, fetches = estimators_graph()
    finally:
        tf.disable_resource_variables()
    assert {"IsVariableInitialized", "VarIsInitializedOp"} & {node.op for node in graph_def.node}
    random = np.random.RandomState(0)
    batches = [
        {"images:0": np.float32(random.randn(2, 6, 6, 1) * (1e6 if step == large else 1))}
        for step in range(3)
    ]
    check_paths(graph_def, fetches, mode, "today", batches, initial_values(graph_def))
