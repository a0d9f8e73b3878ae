"""Which gradients and updates a step has, however it is written."""

from __future__ import annotations

import numpy as np
import pytest

from lenet_exp.precision.diagnosis.gradients import border_of
from tests.precision.diagnosis.small_steps import diagnosed, linear, step_of
from tests.precision.small import FORCE, MIX


def two_optimizers(tf):
    weight, loss = linear(tf)
    one = tf.train.GradientDescentOptimizer(0.1)
    two = tf.train.MomentumOptimizer(0.1, 0.9)
    return [one.minimize(loss, name="one"), two.minimize(weight[0] * loss, name="two")]


def beside_an_optimizer(tf):
    weight, loss = linear(tf)
    other = tf.get_variable("other", [1])
    (gradient,) = tf.gradients(tf.reduce_sum(other) * loss, [other], name="gradients_1")
    train = tf.train.GradientDescentOptimizer(0.1).minimize(loss, var_list=[weight])
    return [train, tf.assign_sub(other, 0.1 * gradient, name="by_hand")]


def clipped(tf):
    weight, loss = linear(tf)
    optimizer = tf.train.GradientDescentOptimizer(tf.train.exponential_decay(
        0.1, tf.train.get_or_create_global_step(), 100, 0.9))  # fmt: skip
    (gradient,) = tf.gradients(loss, [weight])
    (gradient,), _ = tf.clip_by_global_norm([gradient], 1.0)
    with tf.name_scope("summary"):
        seen = tf.sqrt(gradient * 3.0)
    return [optimizer.apply_gradients([(gradient, weight)]), seen]


def clipped_beside_an_optimizer(tf):
    """Return updates by a norm of both gradients, one of them written by hand."""
    weight, loss = linear(tf)
    other = tf.get_variable("other", [1])
    pair = tf.gradients(loss + tf.reduce_sum(other * 3.0), [weight, other])
    (one, two), _ = tf.clip_by_global_norm(pair, 1.0)
    train = tf.train.GradientDescentOptimizer(0.1).apply_gradients([(one, weight)])
    return [train, tf.assign_sub(other, 0.1 * two, name="by_hand")]


def adam_by_hand(tf):
    weight, loss = linear(tf)
    square = tf.get_variable("square", [1])
    (gradient,) = tf.gradients(loss, [weight])
    with tf.name_scope("mine"):
        held = tf.assign(square, 0.999 * square + 0.001 * gradient * gradient)
        return [tf.assign_sub(weight, 0.1 * gradient / (tf.sqrt(held) + 1e-8), name="written")]


@pytest.mark.parametrize(
    ("build", "names"),
    [
        (two_optimizers, [["weight (one/", "GradientDescent"], ["weight (two/", "Momentum"]]),
        (beside_an_optimizer, [["weight"], ["gradients_1/"]]),
        (clipped, [["weight"]]),
        (clipped_beside_an_optimizer, [["weight"], ["gradients/mul_1_grad/"]]),
        (adam_by_hand, [["gradients/"]]),
    ],
)
def test_every_gradient_is_found_once(build, names):
    found = [each.name for each in border_of(step_of(build, {}, x=[1])[0]).gradients]
    assert len(found) == len(names)
    for name, parts in zip(found, names):
        assert all(part in name for part in parts)


def test_the_gradient_of_the_first_of_two_updates_counts():
    found = diagnosed(two_optimizers, {"weight": 300.0}, MIX, x=[3])
    sizes = [error.exact for _, error in found.gradients]
    assert sizes == [3, pytest.approx(2 * 300 * 3)]


@pytest.mark.parametrize(
    ("build", "behind", "in_front"),
    [
        (clipped, ["ExponentialDecay", "ApplyGradient"], ["clip_by_global_norm", "summary"]),
        (adam_by_hand, ["mine/"], ["gradients/"]),
    ],
)
def test_updates_are_what_is_behind_the_gradients(build, behind, in_front):
    found = diagnosed(build, {"weight": 1.0, "global_step": 3}, FORCE, x=[1])
    names = [each.operator.name for each in found.updates]
    for part in behind:
        assert any(part in name for name in names)
    for part in in_front:
        assert any(part in each.operator.name for each in found.operators)
        assert not any(part in name for name in names)


def test_a_division_of_an_update_by_hand_is_no_near_update():
    found = diagnosed(adam_by_hand, {}, FORCE, x=[2e-3])  # whose square is 0 in float16
    assert found.gradient.agreement > 0.999
    assert min(each.own.agreement for each in found.updates) == 0.0


@pytest.mark.parametrize("kind", ["float64", "complex64", "complex128"])
def test_a_variable_of_another_type_is_measured_too(kind):
    def build(tf):
        weight, loss = linear(tf)
        first = tf.constant([2.0, 3.0], tf.float64)
        first = first if kind == "float64" else tf.complex(*[tf.cast(first, real)] * 2)
        other = tf.get_variable("other", initializer=first)
        size = tf.reduce_sum(tf.abs(other * other))
        loss = loss + tf.cast(size, tf.float32)
        one, two = tf.gradients(loss, [weight, other])
        write = tf.assign_sub(other, two * tf.cast(0.1, kind))  # no optimizer takes complex ones
        return [tf.train.GradientDescentOptimizer(0.1).apply_gradients([(one, weight)]), write]

    real = "float32" if kind == "complex64" else "float64"
    found = diagnosed(build, {"other": [2, 3]}, MIX, x=[3])
    sizes = [error.exact for _, error in found.gradients]
    assert sizes == [3, pytest.approx(2 * np.sqrt(13))]
    assert found.gradient.agreement > 0.999


def test_tensors_of_like_names_are_told_apart():
    def build(tf):
        weight, loss = linear(tf, 2)
        first, second = tf.split(weight, 2, name="split")  # the second one is split:1
        other = tf.identity(5.0 * first, name="split_1")
        made = tf.add_n([tf.square(second), tf.square(other * 2.0)])
        return [tf.train.GradientDescentOptimizer(0.1).minimize(loss + tf.reduce_sum(made))]

    found = diagnosed(build, {"weight": [1.0, 3.0]}, FORCE, x=[0, 0])
    assert {each.operator.name for each in found.operators if each.damage > 1e-2} == set()
