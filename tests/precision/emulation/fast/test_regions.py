"""The region that is computed twice, and what is around it: fast, and to the letter."""

from __future__ import annotations

import numpy as np
import pytest

from lenet_exp.precision import assign, emulate
from lenet_exp.precision.emulation.exact.context import look_up
from lenet_exp.precision.emulation.fast.region import Role, find_roles, run_order
from lenet_exp.precision.ir.graph import read_graph
from tests.precision.chip import Run, same_bits, session_of
from tests.precision.emulation.fast.test_fast_path import both_paths
from tests.precision.emulation.test_emulate import check_random_graph
from tests.precision.planning.test_random_graphs import training_graph
from tests.precision.small import FORCE, MIX, floats, graph_of, plan_of

LARGE = (64, 128)


def test_what_only_a_loop_needs_is_there_for_whoever_asks():
    """Neither the plan nor `emulate` was told of them."""

    def build(tf):
        product = tf.multiply(floats(tf, "x", LARGE), floats(tf, "y", LARGE), name="p")
        square = tf.multiply(product, product, name="q")
        tf.identity(square, name="summary")
        return tf.add(square, product, name="end")

    (graph_def, fetches), seen = graph_of(build), []
    random = np.random.RandomState(5)
    feeds = {f"{name}:0": random.randn(*LARGE).astype(np.float32) for name in "xy"}
    for reference in (False, True):
        made = emulate(graph_def, assign(graph_def, FORCE, fetches=fetches), reference=reference)
        with session_of(made.graph_def) as session:
            run = Run(session, made, {})
            seen.append(run(["p:0", "q:0", "summary:0", "end:0"], feeds))
    for fast, exact in zip(*seen):
        same_bits(fast, exact)


def read_in_turn(tf):
    first, rate = tf.sigmoid(floats(tf, "x", LARGE)), tf.get_variable("rate", [128])
    with tf.control_dependencies([first]):
        return first * tf.identity(rate._ref())


def read_in_turn_of_a_resource(tf):
    first = tf.sigmoid(floats(tf, "x", LARGE))
    rate = tf.get_variable("rate", [128], use_resource=True)
    with tf.control_dependencies([first]):
        return first * rate.read_value()


def out_by_a_branch_and_back(tf):
    first = tf.sigmoid(floats(tf, "x", LARGE))
    large = tf.reduce_sum(first) > 1.0
    return first * tf.cond(large, lambda: tf.reduce_max(first), lambda: tf.reduce_min(first))


def out_by_a_default_and_back(tf):
    first = tf.sigmoid(floats(tf, "x", LARGE))
    with tf.control_dependencies([first]):
        return first * tf.placeholder_with_default(np.float32(2), []) * tf.constant(0.5)


def out_by_a_constant_and_back(tf):
    first = tf.sigmoid(floats(tf, "x", LARGE))
    with tf.control_dependencies([first]):
        factor = tf.placeholder_with_default(np.float32(2), [])
    with tf.control_dependencies([factor]):
        axis = tf.constant(1)
    return tf.reduce_sum(first, axis=axis) * factor


def named_as_ours(tf):
    first = tf.sigmoid(floats(tf, "x", LARGE))
    for name in ("argument_0", "argument_1", "emulation/constant", "given", "given_0", "result_0"):
        first = tf.multiply(first, first, name=name)
    return tf.sigmoid(first)


@pytest.mark.parametrize(
    "build",
    [read_in_turn, read_in_turn_of_a_resource, out_by_a_branch_and_back,
     out_by_a_default_and_back, out_by_a_constant_and_back, named_as_ours],
    ids=lambda build: build.__name__,
)  # fmt: skip
@pytest.mark.parametrize("scale", [1.0, 1e6], ids=["usual", "too large"])
def test_no_node_waits_for_itself_or_has_anothers_name(build, scale):
    values = np.random.RandomState(6).randn(*LARGE).astype(np.float32) * np.float32(scale)
    initial = {"rate": np.full(128, 0.3)} if "read" in build.__name__ else None
    assert both_paths(build, {"x:0": values}, initial=initial) is (scale > 1)


@pytest.mark.parametrize("name", ["given", "given_0", "leaf", "leaf_0", "argument_0"])
@pytest.mark.parametrize("scale", [1.0, 1e6], ids=["usual", "too large"])
def test_an_input_may_have_any_name(name, scale):
    def build(tf):
        given = floats(tf, name, LARGE)
        return tf.multiply(given, given)

    values = np.random.RandomState(7).randn(*LARGE).astype(np.float32) * np.float32(scale)
    assert both_paths(build, {f"{name}:0": values}) is (scale > 1)


def test_no_weights_are_written_while_the_letter_reads_them():
    """TensorFlow has both gradients of a layer wait for each other; so has the exact branch."""

    def build(tf):
        hidden = tf.matmul(floats(tf, "x", (4, 8)), tf.get_variable("first", [8, 8]))
        loss = tf.nn.l2_loss(tf.matmul(hidden, tf.get_variable("second", [8, 8])))
        return tf.train.GradientDescentOptimizer(0.1).minimize(loss, name="train")

    graph_def, _ = graph_of(build)
    made = emulate(graph_def, assign(graph_def, MIX, fetches=["train"])).graph_def
    (exact,) = (
        {node.name: node for node in function.node_def}
        for function in made.library.function
        if "exact" in function.signature.name
    )
    weights = [name for name in exact if name.endswith("control_dependency_1")]
    assert weights
    for name in weights:
        layer = name.rsplit("/tuple", maxsplit=1)[0]
        waited = [text[1:] for text in exact[name].input if text.startswith("^")]
        assert {f"{layer}/MatMul", f"{layer}/MatMul_1"} & set(exact) <= set(waited)


def test_a_gradient_that_is_no_float16_waits_for_the_letter_too():
    """The bias's is a constant in allow_mix_precision; it may not be changed while it is read."""
    recipe = ["variable", "log", "square", "add", "exp", "mean", "square", *["conv bias"] * 3]
    places = [62, 64, 85, 11, 100, 51, 11, 62, 84, 80]
    check_random_graph(list(zip(recipe, places)), 857, MIX, "2021")


def test_the_letter_begins_where_all_that_is_fast_has_ended():
    """A variable that only what is no float16 reads was written, now and then, before that."""
    recipe = ["add", "bias", "sigmoid", "transpose", "concat", "relu", "bias", "expand"]
    graph_def = training_graph(list(zip(recipe, [52, 91, 100, 72, 2, 39, 95, 3])))
    plan = assign(graph_def, MIX, fetches=["train", "loss:0"])
    nodes = {node.name: node for node in emulate(graph_def, plan).graph_def.node}
    (choice,) = (node for node in nodes.values() if node.op == "StatelessIf")
    waits = {text for text in nodes[choice.input[0]].input if text.startswith("^")}
    assert waits == {f"^tuple/control_dependency{each}/fast" for each in ("", "_1", "_2")}


def test_an_update_rounds_its_variable_only_after_what_it_waits_for():
    """As tf.train.AdamOptimizer's sparse update does: it assigns, and then adds rows."""

    def build(tf):
        moment = tf.get_variable("moment", [4, 3], use_resource=False)
        place, row = tf.constant([1], name="place"), floats(tf, "row", (1, 3))
        with tf.control_dependencies([tf.assign(moment, floats(tf, "x", (4, 3)), name="decayed")]):
            return tf.scatter_add(moment, place, row, name="added")

    graph_def, fetches = graph_of(build)
    plan = assign(graph_def, FORCE, fetches=fetches, generation="2021")
    reads = [node for node in emulate(graph_def, plan).graph_def.node if "before/read" in node.name]
    assert ["^decayed" in node.input for node in reads] == [True]


def overflowing(tf):
    """Return what is infinite in the fast path where x is large, and what is NaN there."""
    product = tf.matmul(floats(tf, "x", (6, 4)), tf.get_variable("weights", [4, 4]))
    return product, product - tf.reverse(product, [0])


def mean_of_some(tf):
    value, _ = overflowing(tf)
    chosen = tf.boolean_mask(value, value[:, 0] * 0.25 < 20000.0)
    return tf.reduce_sum(chosen) / tf.cast(tf.size(chosen), tf.float32)


def gradient_of_some(tf):
    value, _ = overflowing(tf)
    chosen = tf.boolean_mask(value, value[:, 0] * 0.25 < 20000.0)
    return tf.gradients(tf.reduce_sum(chosen * chosen), value)


def rows_at_a_difference(tf):
    places = tf.cast(overflowing(tf)[1], tf.int32)
    return tf.gather(tf.get_variable("table", [4, 3]), tf.minimum(tf.abs(places), 3))


def as_long_as_a_value(tf):
    length = tf.cast(tf.reduce_max(overflowing(tf)[1]), tf.int32)
    return tf.fill([tf.minimum(length, 5)], 2.5)


def range_of_floats(tf):
    return tf.range(0.0, tf.reduce_max(overflowing(tf)[0]), 30000.0)


def root_of_a_matrix(tf):
    return tf.linalg.cholesky(tf.eye(4) * 3.0 + overflowing(tf)[1][:4] * 0.0)


def crops_at_a_difference(tf):
    boxes = overflowing(tf)[1] * 0.0 + tf.constant([0.0, 0.0, 1.0, 1.0])
    image = tf.reshape(tf.get_variable("table", [4, 3]), [1, 4, 3, 1])
    return tf.image.crop_and_resize(image, boxes, [0] * 6, [2, 2])


def largest_of_none(tf):
    value, _ = overflowing(tf)
    return tf.reduce_max(tf.boolean_mask(value, value[:, 0] > 65504.0))


VALUES_DECIDE = [
    mean_of_some, gradient_of_some, rows_at_a_difference, as_long_as_a_value, range_of_floats,
    root_of_a_matrix, crops_at_a_difference, largest_of_none,
]  # fmt: skip


@pytest.mark.parametrize("build", VALUES_DECIDE, ids=lambda build: build.__name__)
@pytest.mark.parametrize("scale", [1.0, 1e5], ids=["usual", "too large"])
def test_what_a_value_decides_is_of_the_chosen_one(build, scale):
    """A shape, a row, whether an operator fails: infinity and what is made of it have no say."""
    values = np.float32([[1, 1], [1, 0], [2, 0], [1, 1], [-1, 0], [0, 0]]).repeat(2, axis=1)
    initial = {"weights": np.eye(4)}
    if build in (rows_at_a_difference, crops_at_a_difference):
        initial["table"] = np.arange(12.0).reshape(4, 3)
    flag = both_paths(build, {"x:0": values * np.float32(scale)}, initial=initial)
    assert flag is (scale > 1 or build is largest_of_none)


# Names, types and places of values, with what only says where to.
MOVED = {
    "IdentityN": lambda raw, value: raw.IdentityN(input=[value, [1]])[0],
    "Einsum": lambda raw, value: raw.Einsum(inputs=[value, value], equation="ij,kj->ik"),
    "MirrorPadGrad": lambda raw, value: raw.MirrorPadGrad(
        input=value, paddings=[[1, 1], [0, 1]], mode="SYMMETRIC"
    ),
    "EnsureShape": lambda raw, value: raw.EnsureShape(input=value, shape=[6, 4]),
    "ReverseSequence": lambda raw, value: raw.ReverseSequence(
        input=value, seq_lengths=[1, 2, 3, 4, 1, 2], seq_dim=1
    ),
    "Roll": lambda raw, value: raw.Roll(input=value, shift=[1], axis=[0]),
    "MatrixBandPart": lambda raw, value: raw.MatrixBandPart(input=value, num_lower=1, num_upper=1),
    "MatrixDiag": lambda raw, value: raw.MatrixDiag(diagonal=value),
    "MatrixDiagPart": lambda raw, value: raw.MatrixDiagPart(input=value),
    "MatrixSetDiag": lambda raw, value: raw.MatrixSetDiag(input=value, diagonal=value[0]),
    "DynamicStitch": lambda raw, value: raw.DynamicStitch(
        indices=[[0, 2], [3, 1]], data=[value[:2], value[2:4]]
    ),
    "DynamicPartition": lambda raw, value: raw.DynamicPartition(
        data=value, partitions=[0, 1, 0, 1, 0, 1], num_partitions=2
    )[0],
    "SegmentSum": lambda raw, value: raw.SegmentSum(data=value, segment_ids=[0, 0, 1, 1, 1, 2]),
}


@pytest.mark.parametrize(("op", "move"), MOVED.items(), ids=MOVED)
def test_what_moves_or_adds_values_cuts_no_region(op, move):
    def build(tf):
        return tf.sigmoid(move(tf.raw_ops, overflowing(tf)[1]))

    plan = plan_of(build, FORCE)
    graph = read_graph(plan.graph_def)
    roles = find_roles(look_up(plan), graph, run_order(graph))
    assert {roles[name] for name, node in graph.nodes.items() if node.op == op} == {Role.TWICE}
    values = np.random.RandomState(8).randn(6, 4).astype(np.float32)
    for scale in (1, 1e6):
        feeds = {"x:0": values * np.float32(scale)}
        assert both_paths(build, feeds, initial={"weights": np.eye(4)}) is (scale > 1)
