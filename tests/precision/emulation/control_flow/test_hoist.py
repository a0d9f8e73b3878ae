"""What is the same in all iterations of a loop: moved in front of it, and nothing else."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from lenet_exp import tf_compat
from lenet_exp.precision import assign, emulate
from lenet_exp.precision.analysis.frames import find_frames
from lenet_exp.precision.emulation.fast.region import run_order
from lenet_exp.precision.ir.graph import read_graph
from lenet_exp.precision.ir.names import node_of
from tests.precision.emulation.test_emulate import initial_values, run_steps, same_values
from tests.precision.small import FORCE, MIX, floats

WIDTH = 8


def variable(tf):
    return tf.get_variable("v", [WIDTH, WIDTH], use_resource=True)


def loop(tf, value, body, name="loop"):
    """Return what three iterations make of a value; in turn, as what is written is read in each."""
    given = [lambda i, _: i < 3, lambda i, v: (i + 1, body(v)), [0, value]]
    return tf.while_loop(*given, name=name, parallel_iterations=1)[1]


def reads(tf, x):
    held = variable(tf)
    return loop(tf, x, lambda v: tf.tanh(tf.matmul(v, held.read_value())))


def parts(tf, x):
    held = variable(tf)
    halves = lambda: tf.split(tf.transpose(held.read_value()), 2, 1)  # noqa: E731
    return loop(tf, x, lambda v: tf.tanh(tf.matmul(v, tf.concat(halves()[::-1], 1))))


def nested(tf, x):
    held = variable(tf)
    inner = lambda v: loop(tf, v, lambda u: tf.matmul(u, held.read_value()), "inner")  # noqa: E731
    return loop(tf, x, inner, "outer")


def writes(tf, x):
    held = variable(tf)

    def body(v):
        with tf.control_dependencies([held.assign_add(tf.ones([WIDTH, WIDTH]))]):
            return tf.matmul(v, held.read_value())

    return loop(tf, x, body)


def written_before(tf, x):
    held = variable(tf)
    with tf.control_dependencies([held.assign_add(tf.ones([WIDTH, WIDTH]))]):
        return loop(tf, tf.identity(x), lambda v: tf.matmul(v, held.read_value()))


def branches(tf, x):
    held = variable(tf)
    either = lambda v: tf.cond(  # noqa: E731
        tf.reduce_sum(v) > 0, lambda: tf.matmul(v, held.read_value()), lambda: v
    )
    return loop(tf, x, either)


def changes(tf, x):
    held = variable(tf)
    return loop(tf, x, lambda v: tf.matmul(v, tf.transpose(held.read_value() * v)))


# A training step of what, and the operators that are left in a loop of those that only move values.
ROWS = {
    "a read": (reads, set()),
    "a read that is parted": (parts, set()),
    "in two loops": (nested, set()),
    "of what it writes": (writes, {"ReadVariableOp"}),
    "of what was written before": (written_before, {"ReadVariableOp"}),
    "in a branch": (branches, {"ReadVariableOp"}),
    "behind a product": (changes, {"Transpose"}),
}


@pytest.mark.parametrize("mode", [MIX, FORCE])
@pytest.mark.parametrize(("make", "left"), ROWS.values(), ids=ROWS)
def test_what_only_moves_values_stands_in_front_of_its_loop(make, left, mode):
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        loss = tf.reduce_mean(make(tf, floats(tf, "x", (WIDTH, WIDTH))), name="loss")
    plan = assign(graph.as_graph_def(), mode, fetches=[loss.op.name])
    made = read_graph(emulate(graph.as_graph_def(), plan).graph_def)
    inside = find_frames(made, run_order(made)).of
    moving = {"ReadVariableOp", "Split", "Transpose", "ConcatV2"}
    assert {n.op for name, n in made.nodes.items() if inside[name] and n.op in moving} == left


@pytest.mark.parametrize("mode", [MIX, FORCE])
def test_a_gradient_takes_what_its_loop_kept_from_in_front_of_both(mode):
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        loss = tf.reduce_mean(parts(tf, floats(tf, "x", (WIDTH, WIDTH))))
        tf.train.GradientDescentOptimizer(0.1).minimize(loss, name="train")
    plan = assign(graph.as_graph_def(), mode, fetches=["train"])
    made = read_graph(emulate(graph.as_graph_def(), plan).graph_def)
    products = [n for name, n in made.nodes.items() if n.op == "MatMul" and "_grad/MatMul" in name]
    taken = {made.nodes[node_of(text)].op for node in products for text in node.input}
    assert "Enter" in taken


@pytest.mark.parametrize("mode", [MIX, FORCE])
@pytest.mark.parametrize("make", [make for make, _ in ROWS.values()], ids=ROWS)
def test_a_step_has_the_bits_of_one_in_which_nothing_is_moved(make, mode, monkeypatch):
    tf = tf_compat.load()
    if make is branches and tf_compat.stack_of_this_python() == "tf1":
        pytest.skip("TensorFlow 1.15 can't build its gradient")
    with tf.Graph().as_default() as graph:
        tf.reduce_mean(tf.square(make(tf, floats(tf, "x", (WIDTH, WIDTH)))), name="loss")
        loss = graph.get_tensor_by_name("loss:0")
        tf.train.AdamOptimizer(0.1, epsilon=1e-4).minimize(loss, name="train")
    graph_def, fetches = graph.as_graph_def(), ["train", "loss:0"]
    random, sizes = np.random.RandomState(3), (1, 1e6, 1)  # the second step overflows
    batches = [{"x:0": (random.randn(WIDTH, WIDTH) * s).astype(np.float32)} for s in sizes]
    initial, plan = initial_values(graph_def), assign(graph_def, mode, fetches=fetches)
    moved = run_steps(graph_def, plan, fetches, initial, batches, True)
    module = importlib.import_module("lenet_exp.precision.emulation.emulate")
    monkeypatch.setattr(module, "hoisted", lambda plan: plan)
    for one, other in zip(moved, run_steps(graph_def, plan, fetches, initial, batches, True)):
        for here, there in zip((*one[0], *one[1]), (*other[0], *other[1])):
            same_values(here, there)
        assert one[2] is other[2]
