"""Casts that are put in, and pairs that go again: section 6.8."""

from __future__ import annotations

import pytest

from tests.precision.small import ALLOW, FORCE, KEEP, MIX, floats, halves, plan_of


def removed_of(plan):
    edges = [f"{e.consumer}:{e.slot}" for e in plan.casts if e.removed]
    return sorted(edges), sorted(cast.name for cast in plan.removed_casts)


def down_up(tf):
    half = tf.cast(floats(tf, "x"), tf.float16, name="down")
    return tf.lgamma(tf.cast(half, tf.float32, name="up"), name="end")


def down_up_reshaped(tf):
    half = tf.reshape(tf.cast(floats(tf, "x"), tf.float16, name="down"), [32], name="reshape")
    return tf.lgamma(tf.cast(half, tf.float32, name="up"), name="end")


def down_reshaped_twice(tf):
    half = tf.reshape(tf.cast(floats(tf, "x"), tf.float16, name="down"), [32], name="reshape")
    return [tf.cast(half, tf.float32, name="up"), tf.reshape(half, [4, 8], name="other")]


def down_used_twice(tf):
    half = tf.cast(floats(tf, "x"), tf.float16, name="down")
    return [tf.lgamma(tf.cast(half, tf.float32, name="up"), name="end"), tf.exp(half, name="exp")]


def to_int_and_back(tf):
    whole = tf.cast(floats(tf, "x"), tf.int32, name="down")
    return tf.lgamma(tf.cast(whole, tf.float32, name="up"), name="end")


def four_casts(tf):
    value = floats(tf, "x")
    for name, dtype in (("a", tf.float16), ("b", tf.float32), ("c", tf.float16), ("d", tf.float32)):
        value = tf.cast(value, dtype, name=name)
    return tf.lgamma(value, name="end")


def three_casts(tf):
    value = floats(tf, "x")
    for name, dtype in (("a", tf.float16), ("b", tf.float32), ("c", tf.float16)):
        value = tf.cast(value, dtype, name=name)
    return tf.exp(value, name="end")


def user_cast_then_put_in(tf):
    half = tf.cast(floats(tf, "x"), tf.float16, name="down")
    wide = tf.cast(tf.exp(half, name="exp"), tf.float32, name="up")
    return tf.matmul(wide, tf.get_variable("w", [8, 8]), name="product")


@pytest.mark.parametrize(
    ("build", "mode", "edges", "names"),
    [
        pytest.param(down_up, KEEP, [], ["down", "up"], id="a user's own lossy pair"),
        pytest.param(down_up_reshaped, KEEP, [], ["down", "up"], id="a Reshape between"),
        pytest.param(down_reshaped_twice, KEEP, [], [], id="a Reshape with another consumer"),
        pytest.param(down_used_twice, KEEP, [], ["up"], id="the first has another consumer"),
        pytest.param(to_int_and_back, KEEP, [], [], id="to an integer is a loss"),
        pytest.param(four_casts, KEEP, [], ["a", "b", "c", "d"], id="two pairs"),
        pytest.param(three_casts, KEEP, [], ["a", "b"], id="one of three stays"),
        pytest.param(user_cast_then_put_in, ALLOW, ["product:0"], ["up"], id="with one put in"),
    ],
)
def test_inverse_pairs_go(build, mode, edges, names):
    assert removed_of(plan_of(build, mode)) == (edges, names)


def test_what_reads_past_a_pair_whose_first_cast_stays():
    removed = plan_of(down_used_twice, KEEP).removed_casts
    assert [(cast.name, str(cast.reads)) for cast in removed] == [("up", "x:0")]


def test_a_fetched_cast_stays():
    def build(tf):
        half = tf.cast(floats(tf, "x"), tf.float16, name="down")
        return [half, tf.lgamma(tf.cast(half, tf.float32, name="up"), name="end")]

    assert removed_of(plan_of(build, KEEP)) == ([], ["up"])


def test_a_pair_around_expand_dims_goes_and_still_counts():
    def build(tf):
        wide = tf.expand_dims(tf.exp(floats(tf, "x"), "exp"), 0, name="expand")
        return tf.sigmoid(wide, "end")

    plan = plan_of(build, FORCE)
    counted = [f"{edge.consumer}:{edge.slot}" for edge in plan.casts]
    assert counted == ["exp:0", "expand:0", "end:0"]
    assert removed_of(plan) == (["end:0", "expand:0"], [])


@pytest.mark.parametrize(("generation", "expected"), [("today", ["b:0", "relu:0"]), ("2021", [])])
def test_casts_move_across_a_relu_only_today(generation, expected):
    def build(tf):
        weights = tf.get_variable("w", [3, 3, 8, 8])
        convolved = tf.nn.conv2d(floats(tf, "x", (1, 4, 4, 8)), weights, [1] * 4, "SAME", name="a")
        return tf.nn.conv2d(tf.nn.relu(convolved, "relu"), weights, [1] * 4, "SAME", name="b")

    plan = plan_of(build, ALLOW, generation=generation)
    assert [f"{e.consumer}:{e.slot}" for e in plan.casts if e.slot == 0] == ["a:0", "relu:0", "b:0"]
    assert sorted(removed_of(plan)[0]) == expected


def test_each_edge_has_a_cast_of_its_own():
    def build(tf):
        half = halves(tf)
        return [tf.lgamma(half, name="one"), tf.lgamma(half, name="two")]

    plan = plan_of(build, MIX)
    assert [(e.consumer, str(e.producer)) for e in plan.casts if e.consumer in ("one", "two")] == [
        ("one", "half:0"),
        ("two", "half:0"),
    ]


def look_through(tf):
    half = tf.cast(floats(tf, "x"), tf.float16, name="down")
    return tf.exp(tf.cast(half, tf.float32, name="up"), name="end")


def no_look_down(tf):
    return tf.exp(tf.cast(tf.sigmoid(floats(tf, "x"), "s"), tf.float16, name="down"), name="end")


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        pytest.param(look_through, "follows down (looked through the Cast up), which", id="h>f"),
        pytest.param(no_look_down, "follows down, which is float16", id="f>h never"),
    ],
)
def test_a_gray_operator_looks_through_one_cast(build, reason):
    row = plan_of(build, MIX).operators[-1]
    assert row.inputs == ("float16",)
    assert reason in row.reason
