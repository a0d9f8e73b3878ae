"""The sticky flag: what sets it, who reads it, and when it is cleared."""

from __future__ import annotations

import numpy as np
import pytest

from lenet_exp import tf_compat
from lenet_exp.precision import assign, emulate
from tests.precision.chip import Run, emulated, kept, session_of
from tests.precision.small import FORCE, KEEP, MIX, floats

BOTH = pytest.mark.parametrize("reference", [False, True], ids=["fast", "reference"])
STAND_INS = pytest.mark.parametrize("stand_ins", [False, True], ids=["Npu nodes", "stand-ins"])
_BUFFER = {
    "alloc": "NpuAllocFloatStatus", "get": "NpuGetFloatStatus", "clear": "NpuClearFloatStatus",
}  # fmt: skip


def step_graph(stand_ins=False, learning_rate=0.5, linear=False):
    """Return y = x W + b, loss = sum(y^2) / 2, with W updated as NPULossScaleOptimizer does.

    dW = x' y (if `linear`, loss = sum(y) and dW = x' 1). It is scaled and unscaled; `finite` is
    the decision of the step.
    """
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        kernel = tf.get_variable("kernel", [2, 2])
        bias = tf.get_variable("bias", [2])
        scale = tf.get_variable("scale", [], trainable=False)
        y = tf.nn.bias_add(tf.matmul(floats(tf, "x", (2, 2)), kernel), bias, name="y")
        loss = tf.reduce_sum(y) if linear else tf.nn.l2_loss(y)
        optimizer = tf.train.GradientDescentOptimizer(learning_rate)
        pairs = optimizer.compute_gradients(loss * scale, [kernel])
        pairs = [(g * tf.reciprocal(scale), v) for g, v in pairs]
        status = tf.placeholder(tf.float32, [8], "alloc")
        with tf.control_dependencies([gradient for gradient, _ in pairs]):
            got = tf.identity(status, name="get")
        with tf.control_dependencies([got]):
            cleared = tf.identity(status, name="clear")
        with tf.control_dependencies([cleared]):
            finite = tf.reduce_all(tf.equal(status, cleared), name="finite")
        tf.cond(finite, lambda: optimizer.apply_gradients(pairs), tf.no_op, name="update")
    graph_def = graph.as_graph_def()
    for node in graph_def.node:
        if node.name in _BUFFER and stand_ins:
            node.attr["_ge_type"].s = _BUFFER[node.name].replace("Npu", "NPU").encode()
        elif node.name in _BUFFER:
            node.op = _BUFFER[node.name]
            node.attr.clear()
    return graph_def


EYE = np.eye(2, dtype=np.float32)
ONES = np.ones((2, 2), np.float32)
INITIAL = {"kernel": EYE, "bias": np.zeros(2), "scale": 1.0}
FETCHES = ["update/Merge:0", "finite:0"]


def step_and_fetches(*arguments):
    return step_graph(*arguments), FETCHES


def stepper(mode, reference, stand_ins=False, initial=None, learning_rate=0.5, linear=False):
    arguments = stand_ins, learning_rate, linear
    run, _ = kept(step_and_fetches, *arguments, mode=mode, reference=reference)
    run.begin({**INITIAL, **(initial or {})})
    return run


def finite(run, x=ONES):
    return bool(run(FETCHES, {"x:0": np.asarray(x, np.float32)})[1])


ONE = {"kernel": EYE * 0, "bias": ONES[0], "scale": 2.0**11}  # y = 1, dW = 2 x scale
# id -> x, initial values, is it finite
OVERFLOWS = {
    "none": (ONES, {}, True),
    "forward": (ONES * 300, {"kernel": EYE * 300}, False),
    "cast of the input": (ONES * 1e6, {"kernel": EYE * 0}, False),
    "NaN in the input": (ONES * np.nan, {"kernel": EYE * 0}, False),
    "cast of a weight": (ONES * 0, {"kernel": EYE * 1e6}, False),
    "backward": (ONES * 60, ONE, False),
    "backward, just below": (ONES * 15, ONE, True),
}


@pytest.mark.parametrize("mode", [MIX, FORCE])
@BOTH
@STAND_INS
@pytest.mark.parametrize(("x", "initial", "expected"), OVERFLOWS.values(), ids=OVERFLOWS)
def test_an_overflow_anywhere_in_the_step_skips_its_update(
    x, initial, expected, mode, stand_ins, reference
):
    run = stepper(mode, reference, stand_ins, initial)
    before = run.get("kernel")
    assert finite(run, x) is expected
    assert (run.get("kernel") != before).any() == expected
    assert not run.flag  # read and cleared


@BOTH
@STAND_INS
def test_an_overflow_is_forgotten_when_it_was_read(stand_ins, reference):
    run = stepper(MIX, reference, stand_ins)
    assert [finite(run, x) for x in (ONES, ONES * 1e6, ONES, ONES)] == [
        True, False, True, True
    ]  # fmt: skip


@BOTH
def test_an_overflow_of_the_update_skips_the_next_step(reference):
    """force_fp16: var - lr * g overflows after the flag was read."""
    initial = {"kernel": EYE * 60000}
    run = stepper(FORCE, reference, initial=initial, learning_rate=-30000.0, linear=True)
    assert finite(run, ONES * 2.0**-4)  # g = 0.125 -> 60000 + 3750 fits; see the next
    moved = run.get("kernel")
    assert moved[0, 0] == 63744
    assert finite(run, ONES * 2.0**-4)  # 67494 saturates, after the flag was read
    assert run.get("kernel")[0, 0] == 65504
    assert run.flag
    held = run.get("kernel")
    assert not finite(run, ONES * 2.0**-4)  # skipped for it
    assert (run.get("kernel") == held).all()
    assert not run.flag
    assert finite(run, ONES * 2.0**-4)


def evaluation_graph():
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        product = tf.matmul(floats(tf, "x", (2, 2)), tf.get_variable("kernel", [2, 2]))
        tf.argmax(product, 1, name="classes", output_type=tf.int32)
        tf.identity(product, name="logits")
    return graph.as_graph_def()


@BOTH
@pytest.mark.parametrize("fetch", ["classes:0", "logits:0"])
def test_an_evaluation_sets_the_flag_and_keeps_it(fetch, reference):
    with emulated(evaluation_graph(), [fetch], MIX, {"kernel": EYE}, reference) as run:
        for x, expected in ((1, False), (1e6, True), (1, True)):
            run(fetch, {"x:0": ONES * x})
            assert run.flag is expected
        run.clear()
        assert not run.flag


@BOTH
def test_an_evaluation_beside_training_skips_the_next_step(reference):
    """Both graphs, put together, share one flag."""
    tf = tf_compat.load()
    step = step_graph()
    made = emulate(step, assign(step, MIX, fetches=FETCHES), reference=reference)
    other = evaluation_graph()
    inference = emulate(other, assign(other, MIX, fetches=["classes"]), reference=reference)
    together = tf.GraphDef()
    together.CopyFrom(made.graph_def)
    shared = ("kernel", made.float_status.partition(":")[0], made.reset)
    for node in inference.graph_def.node:
        if node.name in shared:
            continue
        copy = together.node.add()
        copy.CopyFrom(node)
        copy.name = f"evaluation/{node.name}"
        for place, text in enumerate(copy.input):
            mark, name = ("^", text[1:]) if text.startswith("^") else ("", text)
            if name.partition(":")[0] not in shared:
                copy.input[place] = f"{mark}evaluation/{name}"
    have = {function.signature.name for function in together.library.function}
    together.library.function.extend(
        f for f in inference.graph_def.library.function if f.signature.name not in have
    )
    with session_of(together) as session:
        run = Run(session, made, INITIAL)
        assert finite(run)
        run("evaluation/classes:0", {"evaluation/x:0": ONES * 1e6})
        assert run.flag
        assert [finite(run), finite(run)] == [False, True]


def test_a_mode_that_keeps_types_skips_only_what_is_not_finite():
    run = stepper(KEEP, False)
    assert finite(run, ONES * 1e6)
    assert not finite(run, ONES * np.nan)  # no finite gradient, in float32 too
    assert not finite(run, ONES * np.inf)


def v2_graph(stand_ins):
    """Return a product whose overflow get_v2 reads into eight int32 words, then clear_v2."""
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        product = tf.matmul(floats(tf, "x", (2, 2)), tf.get_variable("kernel", [2, 2]), name="y")
        with tf.control_dependencies([product]):
            got = tf.identity(tf.placeholder(tf.int32, [8], "none"), name="get")
        with tf.control_dependencies([got]):
            tf.no_op(name="clear")
    graph_def = graph.as_graph_def()
    nodes = {node.name: node for node in graph_def.node}
    names = {"get": "NpuGetFloatStatusV2", "clear": "NpuClearFloatStatusV2"}
    for name, op in names.items():
        if stand_ins:
            nodes[name].attr["_ge_type"].s = op.encode()
        else:
            nodes[name].op = op
            nodes[name].attr.clear()
    controls = [text for text in nodes["get"].input if text.startswith("^")]
    if not stand_ins:
        del nodes["get"].input[:]
        nodes["get"].input.extend(controls)
    return graph_def


@BOTH
@STAND_INS
def test_the_second_status_operators(stand_ins, reference):
    graph_def, fetches = v2_graph(stand_ins), ["get:0", "y:0", "clear"]
    feeds = {"none:0": np.zeros(8, np.int32)} if stand_ins else {}
    with emulated(graph_def, fetches, MIX, {"kernel": EYE}, reference) as run:
        for x, expected in ((1, 0), (1e6, 1), (1, 0)):
            words, *_ = run(fetches, {"x:0": ONES * x, **feeds})
            assert words.dtype == np.int32
            assert words.tolist() == [expected] * 8
            assert not run.flag


def branch_graph():
    """Two products of one tensor in a branch: one Cast in front of both."""
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        x, taken = floats(tf, "x", (2, 2)), tf.placeholder(tf.bool, [], "taken")
        kernels = [tf.constant(EYE), tf.constant(EYE / 2)]  # no product overflows

        def products():
            inside = tf.identity(x)
            return [tf.matmul(inside, kernel) for kernel in kernels]

        both = tf.cond(taken, products, lambda: [tf.identity(x)] * 2)
        for name, tensor in zip(("one", "other"), both):
            tf.identity(tensor, name=name)
    return graph.as_graph_def(), ["one", "other"]


@BOTH
@pytest.mark.parametrize("fetch", ["one:0", "other:0"])
def test_a_cast_in_a_branch_is_counted_for_each_of_its_consumers(fetch, reference):
    run, _ = kept(branch_graph, mode=MIX, reference=reference)
    run.begin({})
    for x, taken, expected in ((1e6, False, False), (1, True, False), (1e6, True, True)):
        run(fetch, {"x:0": ONES * x, "taken:0": taken})
        assert run.flag is expected
