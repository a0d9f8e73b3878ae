"""A Gelu of single operators, as bert writes it."""

from __future__ import annotations

import numpy as np
import pytest

from tests.precision.chip import emulated, same_bits
from tests.precision.small import ALLOW, FORCE, KEEP, MIX, cells, floats, graph_of, halves

OFF = {"Switch": {"GraphFusion": {"GeluFusionPass": "off"}}}
PARTS = ("power", "cubed", "sum", "scaled", "tanh", "one", "halved", "gelu")


def gelu(tf, value, change=""):
    power = tf.pow(tf.exp(value) if change == "power of another" else value, 3.0, name="power")
    cubed = tf.multiply(power, 0.044715, name="cubed")
    summed = tf.add(tf.exp(value) if change == "sum of another" else value, cubed, name="sum")
    scaled = tf.multiply(np.float32(np.sqrt(2 / np.pi)), summed, name="scaled")
    one = tf.add(1.0, tf.tanh(scaled, name="tanh"), name="one")
    outer = tf.exp(value) if change == "product of another" else value
    if change == "half first":
        made = tf.multiply(tf.multiply(outer, 0.5, name="halved"), one, name="gelu")
    elif change == "no half":
        made = tf.multiply(outer, one, name="gelu")
    else:
        half = tf.multiply(0.5, one, name="halved")
        made = tf.multiply(*((half, outer) if change == "swapped" else (outer, half)), name="gelu")
    results = [tf.negative(made, "end")]
    if change.startswith("used "):
        results.append(tf.exp(made.graph.get_tensor_by_name(change.split()[1] + ":0")))
    if change.startswith("fetched "):
        results.append(made.graph.get_tensor_by_name(change.split()[1] + ":0"))
    return results


@pytest.mark.parametrize("change", ["", "swapped", "half first"])
@pytest.mark.parametrize(
    ("mode", "row"),
    [(MIX, "Gelu h>h gray"), (FORCE, "Gelu h>h forced"), (KEEP, "Gelu f>f keep")],
)
@pytest.mark.parametrize("generation", ["today", "2021"])
def test_a_gelu_is_one_operator(change, mode, row, generation):
    rows = cells(lambda tf: gelu(tf, halves(tf), change), mode, generation=generation)
    assert rows["gelu"] == row
    assert not set(PARTS[:-1]).intersection(rows)


def test_a_gelu_that_is_fetched_is_one_operator_too():
    assert cells(lambda tf: gelu(tf, halves(tf))[0].op.inputs[0], ALLOW)["gelu"].startswith("Gelu ")


@pytest.mark.parametrize(
    "change",
    ["power of another", "sum of another", "product of another", "no half"]
    + [f"{how} {part}" for how in ("used", "fetched") for part in PARTS],
)
def test_another_pattern_stays_as_it_is(change):
    rows = cells(lambda tf: gelu(tf, halves(tf), change))
    assert rows["power"] == "Pow ff>f black *0"
    assert rows["tanh"].startswith("Tanh ")


def test_a_gelu_with_a_gradient_stays_as_it_is():
    def build(tf):
        value = halves(tf)
        return tf.gradients(gelu(tf, value), value)

    assert "Gelu" not in {row.split()[0] for row in cells(build).values()}


def test_its_pass_can_be_off():
    rows = cells(lambda tf: gelu(tf, halves(tf)), fusion_switch_file=OFF)
    assert set(PARTS) <= set(rows)


@pytest.mark.parametrize("reference", [False, True])
def test_in_float16_only_the_end_is_rounded(reference):
    graph_def, names = graph_of(lambda tf: gelu(tf, floats(tf, "x", (400,))))
    x = np.random.RandomState(4).uniform(-2, 3, 400).astype(np.float16)
    wide = x.astype(float)
    factor = float(np.float32(np.sqrt(2 / np.pi)))
    exact = wide * 0.5 * (1 + np.tanh(factor * (wide + float(np.float32(0.044715)) * wide**3)))
    with emulated(graph_def, names, FORCE, reference=reference) as run:
        (got,) = run(names, {"x:0": x.astype(np.float32)})
    same_bits(got, -exact.astype(np.float16))
