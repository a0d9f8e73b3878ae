"""What an emulated graph still is, and the traps that show in its values."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from lenet_exp import tf_compat
from lenet_exp.errors import GraphError
from lenet_exp.precision import assign, emulate
from lenet_exp.precision.ir.graph import reachable
from lenet_exp.precision.ir.names import node_of
from tests.precision import lenet_graph
from tests.precision.chip import compute, emulated, overflows, same_bits, session_of
from tests.precision.emulation.test_emulate import (
    BATCH,
    BOTH,
    MODES,
    check_paths,
    initial_values,
    lenet,
    lenet_batches,
    run_steps,
)
from tests.precision.small import ALLOW, FORCE, KEEP, MIX, floats, graph_of
from tests.stacks import full_on_tf1


def quick(*those, of):
    """Return the values of a parametrization; the others are of the full suite."""
    return [pytest.param(*each, marks=[] if each in those else pytest.mark.full) for each in of]


EACH = tuple(itertools.product(MODES, (False, True)))


@full_on_tf1
@pytest.mark.parametrize(("mode", "reference"), quick((MIX, False), (FORCE, True), of=EACH))
def test_arguments_are_not_modified(mode, reference):
    graph_def = lenet_graph.conditional_graph(BATCH, stand_ins=True)
    plan = assign(graph_def, mode, fetches=lenet_graph.CONDITIONAL_FETCHES)
    before = [each.SerializeToString(deterministic=True) for each in (graph_def, plan.graph_def)]
    text = repr(plan._replace(graph_def=None))
    first, second = (emulate(graph_def, plan, reference=reference) for _ in range(2))
    after = [each.SerializeToString(deterministic=True) for each in (graph_def, plan.graph_def)]
    assert before == after
    assert repr(plan._replace(graph_def=None)) == text
    assert first == second


@BOTH
def test_initialisers_and_saver_go_on_working(reference, tmp_path):
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        variable = tf.get_variable("var", [3], initializer=tf.ones_initializer())
        loss = tf.reduce_sum(variable * floats(tf, "x", [3]))
        tf.train.MomentumOptimizer(1.0, 0.9).minimize(loss, name="train")
        tf.global_variables_initializer()
        saver = tf.train.Saver().as_saver_def()
        graph_def = graph.as_graph_def()
    with emulated(graph_def, ["train"], FORCE, reference=reference) as run:
        run("init")
        run("train", {"x:0": np.array([1, 2, 3], np.float32)})
        assert run.get("var").tolist() == [0, -1, -2]
        path = str(tmp_path / "saved")
        run(saver.save_tensor_name, {saver.filename_tensor_name: path})
        run("init")
        assert run.get("var").tolist() == [1, 1, 1]
        run(saver.restore_op_name, {saver.filename_tensor_name: path})
        assert run.get("var").tolist() == [0, -1, -2]
        assert run.get("var/Momentum").tolist() == [1, 2, 3]


def resource_graph():
    """Return a small network with resource variables throughout."""
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        tf.get_variable_scope().set_use_resource(True)
        hidden = floats(tf, "x", (8, 6))
        for layer in range(2):
            kernel = tf.get_variable(f"kernel{layer}", [6, 6])
            bias = tf.get_variable(f"bias{layer}", [6])
            hidden = tf.sigmoid(tf.nn.bias_add(tf.matmul(hidden, kernel), bias))
        loss = tf.reduce_mean(tf.square(hidden), name="loss")
        tf.train.AdamOptimizer(0.1, epsilon=1e-4).minimize(loss, name="train")
    return graph.as_graph_def()


@pytest.mark.parametrize("mode", quick((MIX,), (FORCE,), (KEEP,), of=zip(MODES)))
def test_resource_variables(mode):
    graph_def = resource_graph()
    random = np.random.RandomState(0)
    batches = [{"x:0": (random.randn(8, 6) * size).astype(np.float32)} for size in (1, 1e6, 1)]
    flags = check_paths(graph_def, ["train", "loss:0"], mode, "today", batches)
    assert flags == [False, mode != KEEP, mode != KEEP]  # nothing clears it


def batch_norm_graph(training):
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        kernel = tf.get_variable("kernel", [3, 3, 3, 3])
        hidden = tf.nn.conv2d(floats(tf, "x", (2, 4, 4, 3)), kernel, [1] * 4, "SAME")
        scale, offset = tf.get_variable("scale", [3]), tf.get_variable("offset", [3])
        given = {} if training else {
            "mean": tf.get_variable("mean", [3], trainable=False),
            "variance": tf.get_variable("variance", [3], trainable=False),
        }  # fmt: skip
        made, _, _ = tf.nn.fused_batch_norm(hidden, scale, offset, is_training=training, **given)
        loss = tf.reduce_mean(made * made, name="loss")
        tf.train.MomentumOptimizer(0.1, 0.9, use_nesterov=True).minimize(loss, name="train")
    return graph.as_graph_def()


@pytest.mark.parametrize(
    ("mode", "training"),
    quick((MIX, True), (ALLOW, False), (FORCE, True), (FORCE, False), of=EACH),
)
def test_batch_norm(mode, training):
    graph_def = batch_norm_graph(training)
    initial = initial_values(graph_def)
    if not training:
        initial["variance"] = np.ones(3)
    random = np.random.RandomState(0)
    batches = [{"x:0": random.randn(2, 4, 4, 3).astype(np.float32) * s} for s in (1, 1e6)]
    check_paths(graph_def, ["train", "loss:0"], mode, "today", batches, initial)


def while_graph(tf):
    return tf.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x * 2.0), [0, floats(tf, "x")])[1]


def test_a_loop_without_float16_is_left_alone():
    (got,), flag = compute(while_graph, {"x:0": np.ones((4, 8), np.float32)}, KEEP)
    same_bits(got, np.full((4, 8), 8.0))
    assert not flag


@BOTH
@pytest.mark.parametrize("name", ["float_status", "float_status/reset"])
def test_the_flag_s_names_are_taken(name, reference):
    def build(tf):
        tf.square(floats(tf, "x"), name=name)  # also where nothing needs it
        return tf.square(floats(tf, "y"))

    graph_def, names = graph_of(build)
    plan = assign(graph_def, FORCE, fetches=names)
    with pytest.raises(GraphError, match=rf"{name}: the emulation's flag has that name"):
        emulate(graph_def, plan, reference=reference)


@BOTH
@pytest.mark.parametrize("mode", MODES)
def test_what_waits_for_an_unused_branch_is_computed(mode, reference):
    def build(tf):
        x = floats(tf, "x")
        either = tf.cond(x[0, 0] > 0.0, lambda: tf.reduce_max(x), lambda: tf.reduce_min(x))
        with tf.control_dependencies([tf.identity(either)]):
            return tf.square(x)

    for value in (2.0, -2.0):
        feeds = {"x:0": np.full((4, 8), value, np.float32)}
        (got,), flag = compute(build, feeds, mode, reference=reference)
        same_bits(got, np.full((4, 8), 4.0))
        assert not flag


@BOTH
@pytest.mark.parametrize("mode", [KEEP, MIX, ALLOW])
def test_sums_with_constants_are_made_in_turn(mode, reference):
    """TensorFlow's optimizer would take x + (a + b) for (x + a) + b."""

    def build(tf):
        x = floats(tf, "x", (64, 128))
        total = (x + np.float32(1e8)) + np.float32(-1e8)
        return tf.matmul(total, tf.get_variable("w", [128, 8]))

    feeds, initial = {"x:0": np.ones((64, 128), np.float32)}, {"w": np.ones((128, 8))}
    (got,), _ = compute(build, feeds, mode, initial, reference, optimize=True)
    same_bits(got, np.zeros((64, 8)))


TRAPS = {"scale 2^24": (2.0**24, 2.0**-24), "scale 2^25": (2.0**25, 0.0)}


@BOTH
@pytest.mark.parametrize(("scale", "expected"), TRAPS.values(), ids=TRAPS)
def test_dense_gradients_are_lost_from_scale_2_25_on(scale, expected, reference):
    """Trap 2: 1/scale is itself rounded to float16, so 2^-25 is 0."""

    def build(tf):
        kernel = tf.get_variable("kernel", [4, 4])
        weights = tf.matmul(floats(tf, "x", (4, 4)), kernel)
        return tf.multiply(weights, tf.reciprocal(tf.get_variable("scale", [])), name="unscaled")

    initial = {"kernel": np.eye(4), "scale": scale}
    feeds = {"x:0": np.ones((4, 4), np.float32)}
    (got,), flag = compute(build, feeds, MIX, initial, reference)
    same_bits(got, np.full((4, 4), expected))
    assert not flag


@BOTH
@pytest.mark.parametrize("mode", [MIX, FORCE])
def test_a_constant_that_the_host_converts_sets_no_flag(mode, reference):
    """Trap 6: it saturates, and nobody says so."""

    def build(tf):
        product = tf.matmul(floats(tf, "x", (2, 2)), tf.get_variable("kernel", [2, 2]))
        return tf.multiply(product, tf.constant(1e6))

    initial = {"kernel": np.eye(2) * 2.0**-10}
    (got,), flag = compute(build, {"x:0": np.ones((2, 2), np.float32)}, mode, initial, reference)
    same_bits(got, np.full((2, 2), 65504 * 2.0**-10))
    assert not flag


@BOTH
@pytest.mark.parametrize(
    ("scale", "seen", "flagged"), [(2.0**32, 65504, True), (1024, 1024, False)]
)
def test_a_variable_scale_beyond_float16_is_flagged_at_each_read(scale, seen, flagged, reference):
    """Trap 6: the chip casts the variable itself in force_fp16."""

    def build(tf):
        return tf.multiply(floats(tf, "x", (2,)), tf.get_variable("scale", []))

    feeds = {"x:0": np.ones(2, np.float32)}
    (got,), flag = compute(build, feeds, FORCE, {"scale": scale}, reference)
    assert got.tolist() == [seen] * 2
    assert flag is flagged


@pytest.mark.parametrize(
    "reference", [False, pytest.param(True, marks=pytest.mark.full)], ids=["fast", "reference"]
)
def test_force_leaves_float16_values_in_every_variable(reference):
    """Trap 7: weights, slots and beta powers."""
    graph_def, fetches, initial = lenet("none", 1)
    plan = assign(graph_def, FORCE, fetches=fetches)
    (step,) = run_steps(graph_def, plan, fetches, initial, lenet_batches(1), reference)
    for value in step[1]:
        same_bits(value, value.astype(np.float16))
    powers = dict(zip(initial, step[1]))
    first, second = (np.float16(each) for each in (0.9, 0.999))
    assert powers["beta1_power"] == np.float16(np.float32(first) * np.float32(first))
    assert powers["beta2_power"] == np.float16(np.float32(second) * np.float32(second))
    assert not overflows(powers["fc1/kernel"]).any()


@BOTH
@pytest.mark.parametrize("use_resource", [False, True])
def test_a_cast_pair_of_a_variable_reads_the_variable(reference, use_resource):
    def build(tf):
        variable = tf.get_variable("v", [3], use_resource=use_resource)
        return tf.lgamma(tf.cast(tf.cast(variable, tf.float16), tf.float32), name="end")

    value = np.array([1.0001, 1e6, 1e-9], np.float32)
    (got,), flag = compute(build, {}, KEEP, {"v": value}, reference)
    assert not flag
    np.testing.assert_allclose(got, [math.lgamma(each) for each in value], rtol=1e-5)


@BOTH
def test_a_users_own_cast_pair_does_not_round(reference):
    """Source: precision-modes.md 6.8."""

    def build(tf):
        x = floats(tf, "x", (3,))
        return tf.cast(tf.cast(x, tf.float16), tf.float32) + tf.get_variable("shift", [3])

    value = np.array([1.0001, 1e6, 1e-9], np.float32)
    (got,), flag = compute(build, {"x:0": value}, KEEP, {"shift": np.zeros(3)}, reference)
    same_bits(got, value)
    assert not flag


@BOTH
def test_what_takes_another_output_of_a_folded_node_is_left_out(reference):
    def build(tf):
        one, other = tf.split(tf.constant([1.0, 2.0]), 2)
        tf.identity(other, name="elsewhere")
        return floats(tf, "x", (1,)) * one

    (got,), _ = compute(build, {"x:0": np.array([3], np.float32)}, FORCE, reference=reference)
    assert got.tolist() == [3]


@BOTH
def test_an_update_waits_for_all_that_reads_its_variable(reference):
    """A variable of version 1 is read where its buffer is, which the update writes to."""

    def build(tf):
        weights = tf.get_variable("weights", [8, 2])
        loss = tf.nn.l2_loss(tf.matmul(floats(tf, "x"), weights), name="loss")
        return [loss, tf.train.GradientDescentOptimizer(0.1).minimize(loss, name="train")]

    graph_def, names = graph_of(build)
    plan = assign(graph_def, MIX, fetches=names)
    made = emulate(graph_def, plan, fetches=names[:1], reference=reference).graph_def
    before = {node.name: [node_of(text) for text in node.input] for node in made.node}
    (update,) = (node.name for node in made.node if node.op == "ApplyGradientDescent")
    alias = {"weights", "weights/read"}
    reading = {name for name, given in before.items() if not alias.isdisjoint(given)} - alias
    reading &= reachable([node_of(name) for name in names], before.get).keys()
    assert len(reading) > 1
    assert reading <= reachable([update], before.get).keys()


@BOTH
def test_shapes_and_places_that_do_not_fit_are_left_out(reference):
    """A file may have them wrong, of what a plan speaks of and of what it doesn't."""

    def build(tf):
        variable = tf.get_variable("w", [8, 8])
        tf.assign(variable, tf.ones([8, 8]), name="unplanned")
        return tf.matmul(floats(tf, "x"), variable)

    graph_def, names = graph_of(build)
    shape = tf_compat.load().TensorShape([3]).as_proto()
    for node in graph_def.node:
        if node.op in ("Assign", "MatMul"):
            node.attr["_output_shapes"].list.shape.add().CopyFrom(shape)
            node.attr["_class"].list.s.append(b"loc:@nowhere")
    with session_of(assign(graph_def, FORCE, fetches=names).graph_def):
        pass  # the plan's own graph, too, is one that TensorFlow imports
    with emulated(graph_def, names, FORCE, reference=reference) as run:
        run("unplanned")
        (got,) = run(names, {"x:0": np.ones((4, 8), np.float32)})
    same_bits(got, np.full((4, 8), 8.0))


@BOTH
def test_an_unplanned_loop_may_have_its_back_edge_first(reference):
    def build(tf):
        variable = tf.get_variable("w", [8, 8], use_resource=True)
        given = (tf.constant(0), variable.handle)
        tf.while_loop(lambda i, _: i < 3, lambda i, handle: (i + 1, handle), given, name="loop")
        return tf.matmul(floats(tf, "x"), variable)

    graph_def, names = graph_of(build)
    merges = [node for node in graph_def.node if node.op == "Merge"]
    assert merges
    for node in merges:
        node.input[:] = [*node.input][::-1]
    with emulated(graph_def, names, FORCE, {"w": np.ones((8, 8))}, reference) as run:
        (got,) = run(names, {"x:0": np.ones((4, 8), np.float32)})
    same_bits(got, np.full((4, 8), 8.0))
