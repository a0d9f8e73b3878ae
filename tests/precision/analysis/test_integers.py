"""Integers that reach float16: which are told, and what is left in peace."""

from __future__ import annotations

import pytest

from lenet_exp import tf_compat
from lenet_exp.precision import assign, emulate
from tests.precision.chip import session_of
from tests.precision.lenet_graph import training_graph
from tests.precision.small import ALLOW, FORCE, KEEP, MIX, graph_of, halves, plan_of

MODES = (MIX, ALLOW, FORCE, KEEP)


def step_of(tf, dtype="int64"):
    step = tf.get_variable("step", [], dtype, tf.zeros_initializer(), trainable=False)
    return step, tf.assign_add(step, tf.constant(1, dtype), name="count").op


def decayed(tf):
    step, count = step_of(tf)
    rate = tf.train.polynomial_decay(0.9, step, 10**7, 0.0)
    return [tf.identity(rate, "rate"), count.outputs[0]]


def told(build, mode, **options):
    return [w for w in plan_of(build, mode, **options).warnings if "not have every integer" in w]


@pytest.mark.parametrize("generation", ["today", "2021"])
@pytest.mark.parametrize("mode", MODES)
def test_a_rate_that_decays_with_the_step(mode, generation):
    """The counter itself, and the number of steps that it is divided by."""
    found = told(decayed, mode, generation=generation)
    if mode != FORCE:
        assert found == []
        return
    counter, constant = found
    assert counter.startswith("the counter step (int64) is float16 in Minimum ")
    assert "(10000000, there 65504)" in constant


@pytest.mark.parametrize(("mode", "right"), [(MIX, True), (ALLOW, True), (FORCE, False)])
def test_what_a_mode_makes_of_a_step_beyond_float16(mode, right):
    graph_def, names = graph_of(decayed)
    made = emulate(graph_def, assign(graph_def, mode, fetches=names))
    with session_of(made.graph_def) as session:
        tf = tf_compat.load()
        with session.graph.as_default():
            step = session.graph.get_tensor_by_name("step:0")
            write = tf.raw_ops.Assign(ref=step, value=tf.constant(100_003, tf.int64))
        session.run(made.reset)
        session.run(write)
        value = float(session.run("rate:0"))
    assert (abs(value - 0.9 * (1 - 100_003 / 10**7)) < 1e-6) is right


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda tf, x: x * tf.cast(fed(tf, "int32"), tf.float32), "what is fed as n (int32)"),
        (lambda tf, x: x * tf.to_float(fed(tf, "int64") + 1), "what is fed as n (int64)"),
        (lambda tf, x: x * tf.to_float(tf.reduce_max(fed(tf, "int64"))), "what is fed as n"),
        (lambda tf, x: tf.cast(fed(tf, "int32"), tf.float16), "what is fed as n (int32)"),
        (lambda tf, x: x * tf.to_float(step_of(tf, "int32")[1].outputs[0]), "the counter step"),
        (lambda tf, x: x * tf.minimum(tf.to_float(fed(tf, "int64")), 4e3), "what is fed as n"),
    ],
)
def test_integers_of_unknown_size_are_told_where_they_are_float16(make, expected):
    (found,) = told(lambda tf: make(tf, halves(tf)), MIX)
    assert found.startswith(expected)


@pytest.mark.parametrize(
    "make",
    [
        lambda tf, x: x * tf.to_float(fed(tf, "uint8")),
        lambda tf, x: x * tf.to_float(tf.equal(fed(tf, "int32"), 3)),
        lambda tf, x: x * tf.to_float(tf.floormod(fed(tf, "int32"), 10)),
        lambda tf, x: x * tf.one_hot(fed(tf, "int32"), 8),
        lambda tf, x: tf.gather(x, fed(tf, "int32")),
        lambda tf, x: x * tf.to_float(tf.argmax(x, 1))[0],
        lambda tf, x: x * (tf.to_float(fed(tf, "int32")) / 1000.0),
        lambda tf, x: x * tf.constant(-(2.0**32) + 1),
        lambda tf, x: x * tf.minimum(tf.to_float(fed(tf, "int64")), 9.0),
        lambda tf, x: x * tf.to_float(tf.clip_by_value(fed(tf, "int32"), 0, 9)),
    ],
)
def test_integers_that_stay_small_or_go_nowhere_are_not_told(make):
    assert told(lambda tf: make(tf, halves(tf)), MIX) == []


def test_a_clipped_float_of_integers_is_not_told_where_it_is_one_operator():
    def build(tf):
        return halves(tf) * tf.clip_by_value(tf.to_float(fed(tf, "int64")), 0.0, 9.0)

    plan = plan_of(build, FORCE)
    assert "ClipByValue" in [row.ge_type for row in plan.operators]
    assert told(build, FORCE) == []


def fed(tf, dtype):
    return tf.placeholder(dtype, [], "n")


def test_one_line_a_counter_however_many_operators_take_it():
    def build(tf):
        step = tf.to_float(step_of(tf)[0])
        return [tf.multiply(step, float(n), name=f"times_{n}") for n in range(3, 20)]

    (found,) = told(build, FORCE)
    assert "Mul times_3, Mul times_4, Mul times_5 and 14 more: above 2048" in found


def by_assign_add(tf, step, constant):
    return tf.assign_add(step, constant)


def by_assign(tf, step, constant):
    return tf.assign(step, step + constant)


@pytest.mark.parametrize("resource", [False, True])
@pytest.mark.parametrize("count", [by_assign_add, by_assign])
@pytest.mark.parametrize("mode", [FORCE, KEEP])
def test_a_counter_in_float32_is_one_too(mode, count, resource):
    def build(tf):
        kind = {"trainable": False, "use_resource": resource}
        step = tf.get_variable("step", [], tf.float32, tf.zeros_initializer(), **kind)
        count(tf, step, 1.0)
        return []

    graph_def, _ = graph_of(build)
    found = [w for w in assign(graph_def, mode).warnings if "not have every integer" in w]
    assert [text.split(" is ")[0] for text in found] == (
        ["the counter step (float32)"] if mode == FORCE else []
    )


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda tf, v: tf.assign_sub(v, 0.25), "a step of 0.25 is lost there above about 512"),
        (lambda tf, v: tf.assign(v, v * 0.9), ""),
        (lambda tf, v: tf.assign_add(v, tf.placeholder(tf.float32, [])), ""),
    ],
)
def test_what_is_a_counter_and_what_is_none(change, expected):
    def build(tf):
        return change(tf, tf.get_variable("v", [], trainable=False))

    told_of_v = [w for w in plan_of(build, FORCE).warnings if w.startswith("the counter v")]
    assert [text.split(": ")[1] for text in told_of_v] == [expected] * bool(expected)


def test_a_fed_mask_is_one_short_line():
    def build(tf):
        mask = tf.placeholder(tf.int32, [4, 8], "mask")
        return halves(tf) + (1.0 - tf.cast(mask, tf.float32)) * -1e9

    (found,) = told(build, FORCE)
    assert found.startswith("what is fed as mask (int32) is float16 in ")
    assert found.endswith(": if it gets above 2048, float16 does not have every integer")


@pytest.mark.parametrize("scale", ["none", "constant", "variable"])
@pytest.mark.parametrize("mode", MODES)
def test_lenet_has_none(mode, scale):
    graph_def = training_graph(scale)
    assert not [w for w in assign(graph_def, mode).warnings if "every integer" in w]
