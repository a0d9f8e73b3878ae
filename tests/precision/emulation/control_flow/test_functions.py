"""Functional control flow and functions: as the same graph without, and on both paths."""

from __future__ import annotations

import numpy as np
import pytest

from lenet_exp import tf_compat
from lenet_exp.errors import GraphError
from lenet_exp.precision import assign, emulate
from tests.precision.chip import compute, emulated, same_bits
from tests.precision.emulation.control_flow.test_loops import BATCH, STEPS, WIDTH, dense
from tests.precision.emulation.test_emulate import BOTH, MODES, check_paths
from tests.precision.small import FORCE, KEEP, MIX, floats, graph_of


@pytest.fixture(autouse=True)
def version_2():
    """Functional control flow, for graphs built inside."""
    tf = tf_compat.load()
    tf.enable_control_flow_v2()
    tf.enable_resource_variables()
    yield
    tf.disable_control_flow_v2()
    tf.disable_resource_variables()


def looping(tf, x):
    """Return a While whose gradient is another, with what it needs in TensorLists."""
    dense(tf, x)
    body = lambda i, value: (i + 1, dense(tf, value))  # noqa: E731
    return tf.while_loop(lambda i, _: i < STEPS, body, [0, x], name="loop")[1]


def choosing(tf, x):
    """Return an If, of which one branch ends in float16 and the other in float32 in mix."""
    dense(tf, x)
    large = tf.reduce_max(x) > tf.constant(2.0)
    return tf.cond(large, lambda: dense(tf, x), lambda: tf.exp(-x), name="choice")


def choosing_in_a_loop(tf, x):
    dense(tf, x)

    def body(i, value):
        even = tf.equal(i % 2, 0)
        return i + 1, tf.cond(even, lambda: dense(tf, value), lambda: tf.nn.relu(value) - 0.5)

    return tf.while_loop(lambda i, _: i < STEPS, body, [0, x], name="loop")[1]


def calling(tf, x):
    """Return what a function of `Defun` makes, called twice."""
    from tensorflow.python.framework.function import Defun

    @Defun(tf.float32, tf.float32)
    def layer(value, kernel):
        return tf.sigmoid(tf.matmul(value, kernel)) * 3.0

    kernel = tf.get_variable("kernel", [WIDTH, WIDTH])
    return layer(layer(x, kernel), kernel)


def calling_by_decorator(tf, x):
    """Return what a `tf.function` makes; it calls another, and writes a variable."""
    function = __import__("tensorflow").function
    kernel = tf.get_variable("kernel", [WIDTH, WIDTH])
    count = tf.get_variable("count", [], trainable=False)

    @function(autograph=False)
    def inner(value):
        return tf.sigmoid(tf.matmul(value, kernel)) * 3.0

    @function(autograph=False)
    def outer(value):
        count.assign_add(1.0)
        return inner(inner(value))

    return outer(x)


NETWORKS = [looping, choosing, choosing_in_a_loop, calling, calling_by_decorator]


def trained(make):
    """Return the GraphDef of a training step whose loss is the mean square of make(tf, x)."""
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        loss = tf.reduce_mean(tf.square(make(tf, floats(tf, "x", (BATCH, WIDTH)))), name="loss")
        tf.train.AdamOptimizer(0.1, epsilon=1e-4).minimize(loss, name="train")
    return graph.as_graph_def()


@pytest.mark.parametrize(
    "mode",
    [pytest.param(mode, marks=[] if mode in (MIX, FORCE) else pytest.mark.full) for mode in MODES],
)
@pytest.mark.parametrize("make", NETWORKS, ids=lambda make: make.__name__)
def test_both_paths_of_training_give_the_same_bits(make, mode):
    random = np.random.RandomState(3)
    batches = [
        {"x:0": (random.randn(BATCH, WIDTH) * size).astype(np.float32)} for size in (1, 1e6, 1)
    ]
    flags = check_paths(trained(make), ["train", "loss:0"], mode, "today", batches)
    if mode in (MIX, KEEP):  # nothing clears it
        assert flags == [False, mode == MIX, mode == MIX]


def one_after_another(count):
    def build(tf, x):
        for _ in range(count):
            x = dense(tf, x)
        return x

    return build


def graph_by(make):
    return lambda tf: make(tf, floats(tf, "x", (BATCH, WIDTH)))


@BOTH
@pytest.mark.parametrize("mode", [MIX, FORCE])
@pytest.mark.parametrize("scale", [1, 3e4])
@pytest.mark.parametrize(
    ("make", "count"), [(looping, STEPS), (calling, 2), (calling_by_decorator, 2)]
)
def test_a_function_gives_the_bits_of_the_same_graph_without(make, count, scale, mode, reference):
    random = np.random.RandomState(4)
    feeds = {"x:0": random.randn(BATCH, WIDTH).astype(np.float32)}
    initial = {"kernel": random.randn(WIDTH, WIDTH) * scale}
    counts = {"count": 0} if make is calling_by_decorator else {}
    called, flag = compute(graph_by(make), feeds, mode, {**initial, **counts}, reference)
    plain = one_after_another(count)
    expected, expected_flag = compute(graph_by(plain), feeds, mode, initial, reference)
    same_bits(called[0], expected[0])
    assert flag is expected_flag is (scale > 1)


@BOTH
@pytest.mark.parametrize("scale", [1, 1e6])
def test_a_branch_is_cast_to_the_first_one_s_type_and_counts_only_if_it_runs(scale, reference):
    random = np.random.RandomState(5)
    initial = {"kernel": random.randn(WIDTH, WIDTH) * scale}
    small = random.rand(BATCH, WIDTH).astype(np.float32)
    (got,), flag = compute(graph_by(choosing), {"x:0": small}, MIX, initial, reference)
    assert not flag
    same_bits(got, got.astype(np.float16))
    (got,), flag = compute(graph_by(choosing), {"x:0": small + 2}, MIX, initial, reference)
    (expected,), _ = compute(graph_by(dense), {"x:0": small + 2}, MIX, initial, reference)
    same_bits(got, expected)
    assert flag is (scale > 1)


def narrowing(tf):
    """Return a loop that takes float16 and whose body returns float32, in mix."""
    begin = dense(tf, floats(tf, "x", (BATCH, WIDTH)))
    body = lambda i, value: (i + 1, tf.log(value + 2.0))  # noqa: E731
    return tf.while_loop(lambda i, _: i < STEPS, body, [0, begin], name="loop")[1]


def widening(tf):
    """Return a loop that takes float32, whose body returns float16 in mix; it may not run."""
    x, steps = floats(tf, "x", (BATCH, WIDTH)), tf.placeholder(tf.int32, [], "steps")
    dense(tf, x)
    body = lambda i, value: (i + 1, dense(tf, value))  # noqa: E731
    return tf.while_loop(lambda i, _: i < steps, body, [0, x], name="loop")[1]


@BOTH
def test_what_a_loop_gives_has_the_types_of_its_row(reference):
    x = np.random.RandomState(6).randn(BATCH, WIDTH).astype(np.float32)
    initial = {"kernel": np.eye(WIDTH)}
    (got,), _ = compute(narrowing, {"x:0": x}, MIX, initial, reference)
    (value,), _ = compute(graph_by(dense), {"x:0": x}, MIX, initial, reference)
    for _ in range(STEPS):
        total = (value + np.float32(2)).astype(np.float16).astype(np.float32)
        value = np.log(total).astype(np.float16).astype(np.float32)
    np.testing.assert_allclose(got, value, rtol=2.0**-10)
    same_bits(got, got.astype(np.float16))
    for steps, expected in ((0, x), (1, None)):
        feeds = {"x:0": x, "steps:0": steps}
        (got,), _ = compute(widening, feeds, MIX, initial, reference)
        same_bits(got, got.astype(np.float16) if expected is None else expected)


def test_a_call_of_what_is_float32_is_left_as_it_is():
    graph_def = trained(choosing)
    called = {node.name for node in graph_def.node if node.op in ("If", "StatelessIf")}
    plan = assign(graph_def, KEEP, fetches=["train"])
    made = {node.name: node.op for node in emulate(graph_def, plan).graph_def.node}
    assert {made[name] for name in called} <= {"If", "StatelessIf"}


@BOTH
def test_a_condition_that_is_a_number_is_refused_in_words(reference):
    def build(tf):
        x = floats(tf, "x", (BATCH, WIDTH))
        chosen = tf.cond(tf.placeholder(tf.bool, [], "choice"), lambda: tf.exp(x), lambda: -x)
        return tf.sigmoid(chosen)

    graph_def, names = graph_of(build)
    (call,) = (node for node in graph_def.node if node.op in ("If", "StatelessIf"))
    call.attr["Tcond"].type = tf_compat.load().int32.as_datatype_enum
    choice = next(node for node in graph_def.node if node.name == "choice")
    choice.attr["dtype"].type = tf_compat.load().int32.as_datatype_enum
    plan = assign(graph_def, FORCE, fetches=names)
    with pytest.raises(GraphError, match="condition is int32"):
        emulate(graph_def, plan, reference=reference)


@BOTH
@pytest.mark.parametrize("mode", MODES)
def test_what_a_function_writes_is_written_once_a_step(mode, reference):
    graph_def, names = graph_of(graph_by(calling_by_decorator))
    initial = {"kernel": np.eye(WIDTH) * 1e6, "count": 0}
    feeds = {"x:0": np.ones((BATCH, WIDTH), np.float32)}
    with emulated(graph_def, names, mode, initial, reference) as run:
        for step in range(1, 4):
            run(names, feeds)
            assert run.get("count") == step
