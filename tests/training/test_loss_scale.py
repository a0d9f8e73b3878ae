"""The chip's state machine, by its own test vector (npu-bridge-contract.md, 4)."""

from __future__ import annotations

import numpy as np
import pytest

from lenet_exp import tf_compat
from lenet_exp.config.schema.run import DynamicLossScale
from lenet_exp.precision import assign, emulate
from lenet_exp.training.loss_scale import ScaleState, advance, scaled_gradients


def machine(settings):
    """A function from (state, overflow) to the next state, through a real session."""
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        state = ScaleState(
            tf.placeholder(tf.float32, []),
            tf.placeholder(tf.int32, []),
            tf.placeholder(tf.int32, []),
        )
        finite = tf.placeholder(tf.bool, [])
        after = advance(state, finite, settings)
    session = tf.Session(graph=graph)

    def step(before, overflow):
        feed = dict(zip([*state, finite], [*before, not overflow]))
        return tuple(value.item() for value in session.run(list(after), feed))

    return step


OVERFLOW = [0, 0, 0, 0, 1, 0, 1, 1, 0, 0, 0, 1, 1]
SCALE = [16, 16, 32, 32, 32, 32, 16, 16, 16, 16, 32, 32, 16]
GOOD_BAD = [
    (1, 0), (2, 0), (0, 0), (1, 0), (0, 1), (1, 1), (0, 0),
    (0, 1), (1, 1), (2, 1), (0, 0), (0, 1), (0, 0),
]  # fmt: skip


def test_the_contract_s_test_vector():
    step = machine(DynamicLossScale("dynamic", 16, 3, 2, 2, 0.5))
    state, seen = (16.0, 0, 0), []
    for overflow in OVERFLOW:
        state = step(state, overflow)
        seen.append(state)
    assert seen == [(scale, *counts) for scale, counts in zip(SCALE, GOOD_BAD)]


@pytest.mark.parametrize(
    ("before", "overflow", "after"),
    [
        pytest.param((2.0**15, 999, 1), 0, (2.0**16, 0, 0), id="growth clears both counters"),
        pytest.param((2.0**15, 998, 1), 0, (2.0**15, 999, 1), id="a good step keeps bad ones"),
        pytest.param((2.0**15, 999, 0), 1, (2.0**15, 0, 1), id="a bad step ends the good row"),
        pytest.param((2.0**15, 5, 1), 1, (2.0**14, 0, 0), id="shrinking clears both counters"),
        pytest.param((1.5, 0, 1), 1, (1.0, 0, 0), id="never below 1"),
        pytest.param((2.0**127, 999, 0), 0, (2.0**127, 0, 0), id="never out of float32"),
        pytest.param((2.0**126, 999, 0), 0, (2.0**127, 0, 0), id="the last doubling"),
    ],
)
def test_each_rule(before, overflow, after):
    step = machine(DynamicLossScale("dynamic", 2.0**32, 1000, 2, 2, 0.5))
    assert step(before, overflow) == after


def test_from_two_to_the_32_to_two_to_the_15_takes_34_steps():
    step = machine(DynamicLossScale("dynamic", 2.0**32, 1000, 2, 2, 0.5))
    state, steps = (2.0**32, 0, 0), 0
    while state[0] > 2.0**15:
        state, steps = step(state, True), steps + 1
    assert steps == 34


@pytest.mark.parametrize(
    ("x", "scale", "gradient", "finite"),
    [
        pytest.param(3.0, 1024.0, 6.0, True, id="unscaled again"),
        pytest.param(1e30, 1e10, np.inf, False, id="scaling overflows"),
        pytest.param(np.nan, 1.0, np.nan, False, id="NaN"),
    ],
)
def test_gradients_come_back_unscaled_and_overflow_is_seen(x, scale, gradient, finite):
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        variable = tf.get_variable("x", initializer=np.float32(x))
        optimizer = tf.train.GradientDescentOptimizer(1.0)
        pairs, flag = scaled_gradients(
            optimizer, variable * variable, tf.constant(scale, tf.float32)
        )
        init = tf.global_variables_initializer().name
        names = [pairs[0][0].name, flag.name]
    plan = assign(graph.as_graph_def(), "must_keep_origin_dtype", fetches=names)
    made = emulate(graph.as_graph_def(), plan)
    with tf.Graph().as_default(), tf.Session() as session:
        tf.import_graph_def(made.graph_def, name="")
        session.run([init, made.reset])
        found, seen = session.run(names)
    np.testing.assert_equal(found, np.float32(gradient))
    assert bool(seen) is finite
