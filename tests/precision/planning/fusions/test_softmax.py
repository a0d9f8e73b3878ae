"""The gradient of a log softmax, of single operators."""

from __future__ import annotations

import numpy as np
import pytest

from tests.precision.chip import emulated, same_bits
from tests.precision.small import ALLOW, FORCE, KEEP, MIX, cells, floats, graph_of, halves

OFF = {"Switch": {"GraphFusion": {"LogSoftmaxGradFusionPass": "off"}}}
PARTS = {"exp": "Exp", "total": "ReduceSumD", "product": "Mul", "gradient": "Sub"}


def gradient(tf, change=""):
    upstream, logarithm = halves(tf, "upstream"), halves(tf, "logarithm")
    exp = tf.exp(logarithm, name="exp")
    summed = tf.exp(upstream) if change == "sum of another" else upstream
    total = tf.reduce_sum(summed, -1, keepdims=True, name="total")
    pair = (exp, total) if change == "exp first" else (total, exp)
    product = tf.multiply(*pair, name="product")
    pair = (product, upstream) if change == "swapped" else (upstream, product)
    made = [tf.subtract(*pair, name="gradient")]
    if change.startswith("taken "):
        part = {"exp": exp, "total": total, "product": product}[change.split()[1]]
        made.append(tf.tanh(part))
    if change.startswith("fetched "):
        made.append({"exp": exp, "total": total, "product": product}[change.split()[1]])
    return made


@pytest.mark.parametrize(
    ("mode", "generation", "row"),
    [
        (MIX, "today", "LogSoftmaxGrad ff>f black *01"),
        (MIX, "2021", "LogSoftmaxGrad hh>h gray"),
        (ALLOW, "today", "LogSoftmaxGrad hh>h keep"),
        (FORCE, "today", "LogSoftmaxGrad hh>h forced"),
        (KEEP, "today", "LogSoftmaxGrad ff>f keep"),
    ],
)
def test_the_gradient_of_a_log_softmax_is_one_operator(mode, generation, row):
    rows = cells(gradient, mode, generation=generation)
    assert not set(PARTS).difference({"gradient"}).intersection(rows)
    assert rows["gradient"].startswith(row.split()[0])
    if mode is not ALLOW:
        assert rows["gradient"] == row


def test_tensorflow_s_own_gradient_is_this_pattern():
    def build(tf):
        value = halves(tf)
        loss = tf.reduce_sum(tf.nn.log_softmax(value) * floats(tf, "labels"))
        return tf.gradients(loss, value)

    types = [row.split()[0] for row in cells(build).values()]
    assert types.count("LogSoftmaxGrad") == 1
    assert not {"Exp", "Sub", "ReduceSumD"}.intersection(types)


@pytest.mark.parametrize("change", ["", "exp first"])
def test_the_factors_may_stand_in_either_order(change):
    assert cells(lambda tf: gradient(tf, change))["gradient"].startswith("LogSoftmaxGrad ")


@pytest.mark.parametrize(
    "change",
    ["sum of another", "swapped"]
    + [f"{how} {part}" for how in ("taken", "fetched") for part in ("exp", "total", "product")],
)
def test_another_pattern_stays_as_it_is(change):
    rows = cells(lambda tf: gradient(tf, change))
    assert {name: rows[name].split()[0] for name in PARTS} == PARTS


def test_its_pass_can_be_off():
    rows = cells(gradient, fusion_switch_file=OFF)
    assert {name: rows[name].split()[0] for name in PARTS} == PARTS


@pytest.mark.parametrize("reference", [False, True])
def test_in_float16_only_the_end_is_rounded(reference):
    def build(tf):
        upstream, logarithm = floats(tf, "upstream", (9, 7)), floats(tf, "logarithm", (9, 7))
        total = tf.reduce_sum(upstream, -1, keepdims=True)
        return upstream - total * tf.exp(logarithm)

    graph_def, names = graph_of(build)
    random = np.random.RandomState(2)
    dy, x = (random.uniform(-2, 0, (9, 7)).astype(np.float16) for _ in range(2))
    feeds = {"upstream:0": dy.astype(np.float32), "logarithm:0": x.astype(np.float32)}
    exact = dy.astype(float) - dy.astype(float).sum(-1, keepdims=True) * np.exp(x.astype(float))
    with emulated(graph_def, names, FORCE, reference=reference) as run:
        (got,) = run(names, feeds)
    same_bits(got, exact.astype(np.float16))
