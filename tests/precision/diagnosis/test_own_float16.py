"""Steps that have float16 of their own: mixed precision by hand, and float16 data and variables."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from lenet_exp.precision.diagnosis.exponents import exponents
from tests.precision.diagnosis.small_steps import diagnosed, step_of
from tests.precision.small import FORCE, KEEP

WIDTH = 4
WEIGHT = {"weight": np.linspace(0.5, 2, WIDTH, dtype=np.float32)}
X = np.linspace(1, 2, WIDTH)


def half(tf, tensor=None):
    """Return a tensor, or else what is fed as float32, cast to float16."""
    x = tf.placeholder(tf.float32, [WIDTH], "x") if tensor is None else tensor
    return tf.cast(x, tf.float16)


def of_variable(use_resource):
    def build(tf):
        kinds = {"dtype": tf.float16, "use_resource": use_resource}
        return tf.get_variable("weight", [WIDTH], **kinds) * half(tf)

    return build


def by_hand(tf):
    weight = half(tf, tf.get_variable("weight", [WIDTH]))
    return tf.square(weight) * half(tf)


def of_float32(given):
    """Return what multiplies a float32 variable with what is made of given(tf), a float16."""

    def build(tf):
        return tf.get_variable("weight", [WIDTH]) * tf.cast(tf.square(given(tf)), tf.float32)

    return build


def fed(tf):
    return tf.placeholder(tf.float16, [WIDTH], "x")


def with_default(tf):
    return tf.placeholder_with_default(half(tf, np.float32(X)), [WIDTH], "x")


def random(tf):
    return half(tf) * tf.random_uniform([WIDTH], dtype=tf.float16, seed=1)


def of_bytes(tf):
    read = tf.decode_raw(tf.constant(np.float16(X).tobytes()), tf.float16)
    return half(tf) * tf.reshape(read, [WIDTH])


STEPS = {
    "a variable": of_variable(False), "a resource": of_variable(True), "by hand": by_hand,
    "data": of_float32(fed), "a default": of_float32(with_default),
    "random numbers": of_float32(random), "bytes": of_float32(of_bytes),
}  # fmt: skip
PARTS = pytest.mark.parametrize("build", STEPS.values(), ids=STEPS)


def trained(build):
    def step(tf):
        loss = tf.reduce_sum(tf.cast(tf.square(build(tf)), tf.float32), name="loss")
        return [tf.train.GradientDescentOptimizer(0.5).minimize(loss), loss]

    return step


def rows():
    """What has to stay exact is measured alike of all; two kinds of variables stand for them."""
    for mode, name in itertools.product((FORCE, KEEP), STEPS):
        quick = mode == FORCE or name in ("a variable", "a resource")
        yield pytest.param(STEPS[name], mode, marks=[] if quick else pytest.mark.full)


@pytest.mark.parametrize(("build", "mode"), rows())
def test_a_step_with_float16_of_its_own_is_measured(build, mode):
    found = diagnosed(trained(build), WEIGHT, mode, x=X)
    assert any("float16" in each.operator.origin_inputs for each in found.operators)
    assert found.gradient.cosine > 0.999999
    errors = [(each.total, each.own or each.total) for each in found.operators]
    if mode == KEEP:
        assert {error.distance for pair in errors for error in pair} == {0.0}


@PARTS
def test_its_exponents_are_counted(build):
    plan, values, fed_values = step_of(trained(build), WEIGHT, FORCE, x=X)
    found = exponents(plan, values, lambda step: fed_values, 1)
    assert sum(each.counts.sum() for each in found.sites)
