"""The loss scale's window: where a planted gradient becomes 0, and where it overflows."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lenet_exp import tf_compat
from lenet_exp.config.cli.command_line import settings_to_explain
from lenet_exp.experiment.graphs import build_graphs
from lenet_exp.precision import assign, emulate
from lenet_exp.precision.diagnosis.exponents import BIAS, BINS, Exponents, Site, exponents
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
from tests.precision.small import FORCE, MIX


def site(name="g", last=False):
    return Site(name, "Mul", f"{name}_tensor", last)


def held(*magnitudes, last=False, name="g"):
    """Return what a site has of some values that are powers of two."""
    counts = np.zeros(BINS, np.int64)
    for each in magnitudes:
        counts[int(math.log2(each)) + BIAS] += 1
    return Exponents(site(name, last), counts, float(max(magnitudes)))


@pytest.mark.parametrize(
    ("values", "scale", "share"),
    [
        ([2.0**-25, 1.0], 1.0, 0.0),
        ([2.0**-26, 1.0], 1.0, 0.5),
        ([2.0**-26, 1.0], 2.0, 0.0),
        ([2.0**-30, 2.0**-28], 8.0, 0.0 + 0.5),
        ([2.0**100], 2.0**-100, 0.0),
    ],
)
def test_what_a_scale_leaves_at_0(values, scale, share):
    assert flushed_share(held(*values), scale) == share
    kept = saturate(np.float32(values) * np.float32(scale) * np.float32(1.001)) != 0
    assert np.mean(~kept) == share


@pytest.mark.parametrize(("values", "least"), [([2.0**-40], 2.0**15), ([2.0**3], 2.0**-28)])
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
        ([held(2.0**-30, name="a"), held(2.0**-4, name="b")], False, 2.0**12, "value=4096"),
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
    made = window(found)
    assert made.is_empty is empty
    assert made.recommended == scale
    assert words in "\n".join(text([made], 100))


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
    last = [each for each in found if each.site.is_last]
    assert last
    for each in last:
        assert each.largest == 3
        assert each.counts.sum() == 3 * 2
        assert each.counts[BIAS - 20] == each.counts[BIAS + 1] == 3


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
