"""Loops in which something is drawn: the same number for the same iteration on both paths."""

from __future__ import annotations

import pytest

from lenet_exp.precision import assign, emulate
from tests.precision.emulation.test_emulate import BOTH
from tests.precision.small import MIX, floats, graph_of

STEPS, SHAPE = 3, (4, 8)


def loop(tf, name, value, more):
    body = lambda i, v: (i + 1, more(v))  # noqa: E731
    return tf.while_loop(lambda i, _: i < STEPS, body, [0, value], name=name)[1]


def drawing(tf, value):
    return value * tf.random.uniform(SHAPE, seed=1)


def halving(tf, value):
    return value * 0.5


def called(tf, value):
    half = tf.py_func(lambda: 0.5, [], tf.float64)
    return value * tf.cast(tf.reshape(half, []), tf.float32)


LOOPS = {
    "a number": (drawing, halving, {"outer": 1, "inner": 10}),
    "in the inner loop": (halving, drawing, {"outer": 1, "inner": 1}),
    "by Python": (halving, called, {"outer": 1, "inner": 1}),
    "nothing": (halving, halving, {"outer": 10, "inner": 10}),
}


@BOTH
@pytest.mark.parametrize(("outer", "inner", "expected"), LOOPS.values(), ids=LOOPS)
def test_where_something_is_drawn_one_iteration_comes_after_the_other(
    outer, inner, expected, reference
):
    def build(tf):
        product = tf.matmul(floats(tf, "x", SHAPE), tf.get_variable("w", [8, 8]))
        within = lambda v: loop(tf, "inner", outer(tf, v), lambda u: inner(tf, u))  # noqa: E731
        return loop(tf, "outer", product, within)

    graph_def, names = graph_of(build)
    plan = assign(graph_def, MIX, fetches=names)
    found = {}
    for node in emulate(graph_def, plan, reference=reference).graph_def.node:
        if node.op == "Enter":
            frame = node.attr["frame_name"].s.decode().split("/")[-2]
            found.setdefault(frame, set()).add(node.attr["parallel_iterations"].i)
    assert found == {name: {count} for name, count in expected.items()}
