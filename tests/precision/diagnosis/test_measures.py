"""What is measured of a value: how near it is, and what of it is at its type's end."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lenet_exp.precision import assign
from lenet_exp.precision.diagnosis.errors import OperatorError
from lenet_exp.precision.diagnosis.keep_list import keep_list
from lenet_exp.precision.diagnosis.measures import Error, error_of, exact, measure
from lenet_exp.precision.ir.builder import Nodes
from tests.precision.chip import session_of
from tests.precision.diagnosis.small_steps import diagnosed, linear, step_of
from tests.precision.small import FORCE

NAN, INF, END = math.nan, math.inf, 65504.0


def error(**fields):
    return Error(1.0, 0.0, 0.0, 1, 0, 0, 1.0)._replace(**fields)


@pytest.mark.parametrize(
    ("cosine", "distance", "agreement"),
    [
        (1.0, 0.0, 1.0),
        (0.999, math.sqrt(0.002), 0.999),  # only turned
        (1.0, math.sqrt(0.002), 0.999),  # only longer
        (0.9, math.sqrt(1 - 0.9**2), 0.9),  # as near as it gets at that angle
        (1.0, 6e7, 0.0),
        (0.0, INF, 0.0),
        (-1.0, 2.0, -1.0),
    ],
)
def test_a_wrong_size_is_as_far_as_a_wrong_direction(cosine, distance, agreement):
    assert error(cosine=cosine, distance=distance).agreement == pytest.approx(agreement)


@pytest.mark.parametrize(
    ("own", "inherited", "damage"),
    [(INF, 1.0, 0.0), (INF, INF, 0.0), (INF, 0.5, INF), (0.5, 0.5, 0.25), (2.0, 0.0, 2.0)],
)
def test_what_is_ruined_is_not_ruined_again(own, inherited, damage):
    found = OperatorError(None, "forward", error(), error(distance=own), inherited)
    assert found.damage == damage


@pytest.mark.parametrize(
    ("values", "half", "held", "overflows"),
    [
        ([1, END, -END, INF, NAN], True, None, 4),
        ([1, END, -END, INF, NAN], False, None, 2),
        ([1, 70000, END - 32], False, None, 0),
        ([END - 0.5, 0], True, [END, 1], 1),  # a change, and what it led to
        ([END, 0], True, [0.5, 1], 0),
    ],
)
def test_what_is_at_the_end_of_its_type_overflows(values, half, held, overflows):
    nodes = Nodes()
    texts = [
        str(nodes.constant(np.float32(each))) if each is not None else None
        for each in (values, np.ones(len(values)), held)
    ]
    made = measure(nodes, texts[0], exact(nodes, texts[1], "right"), "m", half, texts[2])
    graph_def = nodes.tf.GraphDef()
    graph_def.node.extend(nodes.made)
    with session_of(graph_def) as session:
        assert error_of([session.run(f"{made}:0")]).overflows == overflows


def adam(tf):
    _, loss = linear(tf)
    return [tf.train.AdamOptimizer(0.01).minimize(loss, name="train")]


@pytest.mark.parametrize("gradient", [0.0011, 0.003, 0.005])
def test_an_update_of_the_right_sign_and_the_wrong_size_stays_float32(gradient):
    plan, values, feeds = step_of(
        adam, {"beta1_power": 0.9, "beta2_power": 0.999}, FORCE, x=[gradient]
    )
    found = diagnosed(adam, values, FORCE, x=[gradient])
    (update,) = [each for each in found.updates if "ApplyAdam" in each.operator.tf_type]
    assert abs(update.own.cosine) == 1.0
    assert update.own.agreement == 0.0

    def planner(names):
        return assign(plan.graph_def, FORCE, fetches=plan.fetches, keep_dtype=names)

    made = keep_list(planner, found, values, feeds, 0.999, 20)
    assert update.operator.name in made.names
    assert made.holds


def clipped(tf):
    weight, loss = linear(tf, 4)
    (gradient,) = tf.gradients(loss, [weight])
    (gradient,), _ = tf.clip_by_global_norm([gradient], 1.0)
    train = tf.train.GradientDescentOptimizer(0.1)
    return [train.apply_gradients([(gradient, weight)], name="train")]


def test_gradients_clipped_by_a_norm_that_saturates_are_not_near():
    given = [700.0, -800.0, 900.0, 1000.0]  # whose squares float16 does not have
    plan, values, feeds = step_of(clipped, {}, FORCE, x=given)
    found = diagnosed(clipped, {}, FORCE, x=given)
    assert found.gradient.cosine > 0.999
    assert found.gradient.agreement < 0.1

    def planner(names):
        return assign(plan.graph_def, FORCE, fetches=plan.fetches, keep_dtype=names)

    made = keep_list(planner, found, values, feeds, 0.999, 50)
    assert made.holds
    assert any("clip_by_global_norm" in name or "global_norm" in name for name in made.names)
