"""The loss scale's window: where a planted gradient becomes 0, and where it overflows."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lenet_exp import tf_compat
from lenet_exp.config.cli.command_line import settings_to_explain
from lenet_exp.errors import GraphError
from lenet_exp.experiment.graphs import build_graphs
from lenet_exp.precision import assign, emulate
from lenet_exp.precision.diagnosis.exponents import (
    BIAS,
    BINS,
    Exponents,
    Site,
    Trace,
    exponents,
    sites_of,
)
from lenet_exp.precision.diagnosis.window import (
    FLUSHED,
    LARGEST,
    flushed_share,
    least_scale,
    most_scale,
    text,
    window,
)
from lenet_exp.precision.emulation.trace.counters import COLUMNS
from tests.precision.chip import OVERFLOW, Run, saturate, session_of
from tests.precision.diagnosis.small_steps import linear, step_of
from tests.precision.small import FORCE, MIX


def site(name="g", last=False):
    return Site(name, "Mul", f"{name}_tensor", last)


def held(*magnitudes, last=False, name="g"):
    """Return what a site has of some values that are powers of two."""
    counts = np.zeros(BINS, np.int64)
    for each in magnitudes:
        counts[int(math.log2(each)) + BIAS - 1] += 1
    return Exponents(site(name, last), counts, float(max(magnitudes)))


@pytest.mark.parametrize(
    ("values", "scale", "share"),
    [
        ([2.0**-24, 1.0], 1.0, 0.0),
        ([2.0**-25, 1.0], 1.0, 0.5),
        ([2.0**-25, 1.0], 2.0, 0.0),
        ([2.0**-30, 2.0**-28], 16.0, 0.5),
        ([2.0**100], 2.0**-100, 0.0),
    ],
)
def test_what_a_scale_leaves_at_0(values, scale, share):
    assert flushed_share(held(*values), scale) == share
    kept = saturate(np.float32(values) * np.float32(scale)) != 0
    assert np.mean(~kept) == share


@pytest.mark.parametrize(("values", "least"), [([2.0**-40], 2.0**16), ([2.0**3], 2.0**-27)])
def test_the_least_scale_is_a_power_of_two(values, least):
    assert least_scale(held(*values)) == least


@pytest.mark.parametrize("ranks", [1, 2, 4, 8])
def test_the_sum_of_several_devices_overflows_right_above_the_largest_scale(ranks):
    largest = np.float32(0.37)
    found = Exponents(site(last=True), np.ones(BINS, np.int64), float(largest))
    upper = most_scale(found, ranks)

    def total(scale):
        with np.errstate(over="ignore"):
            each = np.float16(np.float32(largest * np.float32(scale)))
            return np.add.reduce([each] * ranks, dtype=np.float16)

    assert np.isfinite(total(upper * 0.999))
    assert np.isinf(total(upper * 1.001))
    assert upper * ranks * largest == pytest.approx(LARGEST)
    assert LARGEST < OVERFLOW


def test_a_gradient_that_is_not_added_up_keeps_its_end():
    assert most_scale(held(1.0), 8) == most_scale(held(1.0), 1)


@pytest.mark.parametrize(
    ("found", "empty", "scale", "words"),
    [
        ([held(2.0**-30, name="a"), held(2.0**-4, name="b")], False, 2.0**13, "value=8192"),
        ([held(2.0**-3)], False, 1.0, "loss_scale=none"),
        ([held(2.0**-45, name="a"), held(2.0**4, name="b")], True, None, "no scale does: a"),
        ([], False, 1.0, "changes nothing"),
        ([held(2.0**11)], False, 1.0, "loss_scale=none"),
        ([held(2.0**15)], False, 1.0, "loss_scale=none"),
        ([held(2.0**16)], True, None, "no scale does: g overflows even without one"),
        ([held(2.0**-40, name="a"), held(2.0**17, name="b")], True, None, "no scale does: b"),
    ],
)
def test_one_scale_is_recommended(found, empty, scale, words):
    made = window(Trace(tuple(found), 100))
    assert made.is_empty is empty
    assert made.recommended == scale
    assert words in "\n".join(text([made]))


def some(values, flush=False, build=None, steps=1, batches=None, **others):
    """Return the trace of a step that has these gradients, in float16."""

    def linear_step(tf):
        _, loss = linear(tf, len(values))
        return [tf.train.GradientDescentOptimizer(0.1).minimize(loss, name="train")]

    plan, first, feeds = step_of(build or linear_step, others, FORCE, x=values)
    options = {"flush": flush, "batches": batches}
    return exponents(plan, first, lambda number: feeds, steps, **options)


HALF_OF_THE_LEAST, LEAST_NORMAL = 2.0**-25, 2.0**-14
ENDS = [
    HALF_OF_THE_LEAST, np.nextafter(np.float32(HALF_OF_THE_LEAST), np.float32(1)),
    LEAST_NORMAL, LEAST_NORMAL - 2.0**-25, LEAST_NORMAL - 2.0**-24, 1.0, 0.0, 1e-30,
    np.nextafter(np.float32(LEAST_NORMAL - 2.0**-25), np.float32(0)),
]  # fmt: skip


@pytest.mark.parametrize("flush", [False, True])
@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_what_rounds_to_0_is_counted_so(flush, scale):
    values = np.float32(ENDS) / np.float32(scale)
    found = [each for each in some(values, flush).sites if each.site.is_last]
    kept = saturate(values[values > 0] * np.float32(scale), flush) != 0
    assert found
    for each in found:
        assert flushed_share(each, scale) == pytest.approx(np.mean(~kept))


@pytest.mark.parametrize(("first", "at"), [(math.nan, 1), (math.inf, 1), (1e38, 2)])
def test_steps_that_diverge_are_refused_with_their_number(first, at):
    def build(tf):
        weight = tf.get_variable("weight", [1])
        loss = tf.reduce_sum(weight * weight * tf.placeholder(tf.float32, [1], "x"))
        return [tf.train.GradientDescentOptimizer(0.5).minimize(loss, name="train")]

    with pytest.raises(GraphError, match=f"step {at} in float32 has a gradient at") as found:
        some([first], build=build, steps=5, weight=1.0)
    assert (f"steps={at - 1}" in str(found.value)) is (at > 1)


def every_second_step(tf):
    """Return an update that is made in each second step, as one that adds gradients up has."""
    weight, loss = linear(tf)
    held, number = tf.get_variable("held", [1]), tf.get_variable("number", [], dtype=tf.int32)
    (gradient,) = tf.gradients(loss * 2.0, [weight])
    with tf.control_dependencies([gradient]):
        added = tf.assign_add(number, 1)
    return [
        tf.cond(
            tf.equal(added % 2, 0),
            lambda: tf.assign_sub(weight, held + gradient, name="used"),
            lambda: tf.assign_add(held, gradient, name="kept"),
        )
    ]


@pytest.mark.parametrize(
    ("build", "steps", "batches", "other", "words"),
    [
        (every_second_step, 4, 3, 2, "4 exact steps of 3 batches over and over"),
        (every_second_step, 1, 3, None, "1 exact steps (each"),
        (None, 4, None, None, "4 exact steps (each"),
        (None, 4, 1, None, "4 exact steps of 1 batch over and over"),
    ],
)
def test_what_the_steps_are_not_is_said(build, steps, batches, other, words):
    made = some([3.0], build=build, steps=steps, batches=batches)
    said = "\n".join(text([window(made)]))
    assert made.other == other
    assert words in said
    assert (f"step {other} takes others" in said) is (other is not None)


def unscaled(tf):
    """Return a step whose gradient is multiplied by the inverse of its scale."""
    weight, loss = linear(tf)
    (gradient,) = tf.gradients(loss * tf.constant(1.0, name="loss_scale"), [weight])
    inverse = tf.reciprocal(tf.constant(1.0), name="inverse_scale")
    return [tf.assign_sub(weight, gradient * inverse, name="train")]


@pytest.mark.parametrize(("flush", "upper"), [(False, 2.0**24), (True, 2.0**14)])
def test_the_inverse_of_the_scale_has_to_be_a_number(flush, upper):
    made = window(some([1e-7], flush, unscaled))
    assert made.upper == upper
    assert saturate(np.float32(1 / upper), flush) != 0
    assert saturate(np.float32(1 / upper / 2), flush) == 0
    assert "1/scale, which becomes 0" in "\n".join(text([made]))


def test_the_unscaling_of_lenet_is_among_the_sites():
    settings = settings_to_explain(["loss_scale=fixed", "loss_scale.value=1"])
    made = build_graphs(settings).step
    sites = sites_of(assign(made.graph_def, MIX, fetches=made.fetches))
    assert [each for each in sites if each.is_inverse]


def step(tf):
    """Return a gradient of exactly 2^-20 and of 3, by one weight each."""
    x = tf.placeholder(tf.float32, [2], "x")
    weight = tf.get_variable("weight", [2], initializer=tf.zeros_initializer())
    loss = tf.reduce_sum(weight * x, name="loss")
    return loss, tf.train.GradientDescentOptimizer(0.1).minimize(loss, name="train")


def test_the_exact_steps_are_counted_where_they_round():
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        loss, train = step(tf)
    plan = assign(graph.as_graph_def(), FORCE, fetches=[loss.name, train.name])
    feeds = {"x:0": np.float32([2.0**-20, 3])}
    found = exponents(plan, {"weight": np.zeros(2, np.float32)}, lambda number: feeds, 3)
    last = [each for each in found.sites if each.site.is_last]
    assert last
    for each in last:
        assert each.largest == 3
        assert each.counts.sum() == 3 * 2
        assert each.counts[BIAS - 20 - 1] == each.counts[BIAS + 1] == 3


def lenet_at(scale):
    """Return LeNet's step with a fixed loss scale, its variables' values and what it is fed."""
    words = ["precision=allow_mix_precision", "loss_scale=fixed", f"loss_scale.value={scale:.17g}"]
    built = build_graphs(settings_to_explain([*words, "schedule.batch_size=16"])).step
    random = np.random.RandomState(0)
    feeds = {
        built.images: random.uniform(0, 1, [16, 28, 28, 1]).astype(np.float32),
        built.labels: random.randint(0, 10, 16),
    }
    names = [name.partition(":")[0] for name in built.variables]
    values = {}
    with session_of(built.graph_def) as session:
        session.run(list(built.init))
        values = dict(zip(names, session.run(list(built.variables))))
    return built, assign(built.graph_def, MIX, fetches=built.fetches), values, feeds


@pytest.mark.full
def test_the_forensics_see_what_the_window_of_lenet_predicts():
    _, plan, values, feeds = lenet_at(1)
    found = window(exponents(plan, values, lambda number: feeds, 1))
    for scale, site_there, column in (
        (found.lower / 16, found.lower_site, "lost"),
        (found.upper * 16, found.upper_site, "overflows"),
        (found.recommended, found.lower_site, None),
        (found.recommended, found.upper_site, None),
    ):
        counts = traced(max(scale, 1), site_there.operator)
        assert counts["values"] > 0
        lost = (counts["nonzero"] - counts["kept"]) / counts["nonzero"]
        assert (lost >= FLUSHED) == (column == "lost"), scale
        assert (counts["overflows"] > 0) == (column == "overflows"), scale


def traced(scale, operator):
    """Return what the counters of a step with a loss scale say of one operator."""
    built, plan, values, feeds = lenet_at(scale)
    made = emulate(built.graph_def, plan, trace=True)
    with session_of(made.graph_def) as session:
        run = Run(session, made, values)
        run(made.traces.reset)
        run([built.train.partition(":")[0]], feeds)
        counts = run(made.traces.counts)
    rows = [row for row, each in zip(counts, made.traces.sites) if each.operator == operator]
    return dict(zip(COLUMNS, np.sum(rows, axis=0)))
