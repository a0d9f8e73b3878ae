"""Casts that change nothing, since float16 holds the value already: which are left out."""

from __future__ import annotations

import pytest

from lenet_exp.precision.emulation.exact.context import look_up
from lenet_exp.precision.emulation.fast.held import rounding_casts
from tests.precision.small import ALLOW, FORCE, floats, plan_of

SHAPE = (8, 8)


def fed(tf):
    return floats(tf, "x", SHAPE)


def product(tf):
    """Return a tensor that is float16 in allow_fp32_to_fp16."""
    return tf.matmul(fed(tf), tf.get_variable("w", SHAPE))


def chosen(first, other):
    """Return what gives one tensor or the other."""

    def build(tf):
        one, two = first(tf), other(tf)
        choice = tf.placeholder(tf.bool, SHAPE, "choice")
        return tf.where(choice, tf.transpose(one), two)

    return build


def by_a_branch(other):
    def build(tf):
        value, extra = product(tf), other(tf)
        choice = tf.placeholder(tf.bool, [], "choice")
        return tf.cond(choice, lambda: tf.transpose(value), lambda: tf.transpose(extra))

    return build


def by_a_loop(other):
    """Return what a loop begins with a product, and goes on with."""

    def build(tf):
        value, extra = tf.transpose(product(tf)), other(tf)
        body = lambda i, v: (i + 1, tf.transpose(v) if other is product else extra)  # noqa: E731
        return tf.while_loop(lambda i, _: i < 3, body, [0, value], name="loop")[1]

    return build


def constant(value):
    return lambda tf: tf.fill(SHAPE, value) if value else tf.zeros(SHAPE)


def left_out(build, mode):
    lookup = look_up(plan_of(build, mode))
    return lookup, lookup.casts.keys() - rounding_casts(lookup).keys()


# What a product in float16 takes behind a transposition in float32, and whether its Cast is left
# out.
ROWS = {
    "a product": (product, True),
    "what is fed": (fed, False),
    "a variable": (lambda tf: tf.get_variable("v", SHAPE), False),
    "a sum in float32": (lambda tf: product(tf) + fed(tf), False),
    "a product, or another": (chosen(product, lambda tf: tf.nn.relu(tf.transpose(fed(tf)))), False),
    "its larger part": (lambda tf: tf.maximum(tf.transpose(product(tf)), 0.5), True),
    "or a constant that float16 lacks": (
        lambda tf: tf.maximum(tf.transpose(product(tf)), 0.1), False,
    ),
    "or a constant beyond float16": (lambda tf: tf.minimum(tf.transpose(product(tf)), 1e6), False),
    "a one-hot": (lambda tf: tf.one_hot(tf.placeholder(tf.int32, [8], "i"), 8), True),
    "both branches": (by_a_branch(lambda tf: tf.matmul(fed(tf), fed(tf))), True),
    "a branch that is fed": (by_a_branch(fed), False),
    "a loop": (by_a_loop(product), True),
    "a loop that takes what is fed": (by_a_loop(fed), False),
}  # fmt: skip


@pytest.mark.parametrize(("build", "expected"), ROWS.values(), ids=ROWS)
def test_a_cast_of_what_float16_holds_is_left_out(build, expected):
    def last(tf):
        with tf.variable_scope("", reuse=tf.AUTO_REUSE):
            value = tf.transpose(build(tf))
        return tf.matmul(value, tf.get_variable("last_weights", SHAPE), name="last")

    lookup, ports = left_out(last, ALLOW)
    assert ("last", 0) in lookup.casts
    assert (("last", 0) in ports) is expected
    assert ("last", 1) not in ports


def test_what_a_loop_keeps_for_its_gradient_is_not_rounded_again():
    def build(tf):
        x, kernel = fed(tf), tf.get_variable("kernel", SHAPE)
        body = lambda i, value: (i + 1, tf.tanh(tf.matmul(value, kernel)))  # noqa: E731
        made = tf.while_loop(lambda i, _: i < 3, body, [0, x * 2.0], name="loop")[1]
        return tf.gradients(tf.reduce_sum(made), [x, kernel])

    lookup, ports = left_out(build, FORCE)
    nodes = lookup.nodes
    popped = {
        (name, place)
        for name, place in lookup.casts
        if nodes[nodes[name].input[place].partition(":")[0]].op.startswith("StackPop")
    }
    assert popped
    assert popped <= ports
