"""A power that becomes a square, a scaled sum that becomes one operator."""

from __future__ import annotations

import numpy as np
import pytest

from lenet_exp.precision import assign
from tests.precision.chip import ALL_HALVES, emulated, same_bits
from tests.precision.small import ALLOW, FORCE, KEEP, MIX, cells, floats, graph_of, halves

OFF = {"Switch": {"GraphFusion": {"Pow2SquareFusionPass": "off", "MulAddNPass": "off"}}}


def power(tf, exponent, value=None):
    return tf.pow(halves(tf) if value is None else value, exponent, name="power")


@pytest.mark.parametrize(
    ("exponent", "row"),
    [
        pytest.param(lambda tf: 2.0, "Square h>h gray", id="two"),
        pytest.param(lambda tf: [[2.0]], "Square h>h gray", id="one value"),
        pytest.param(lambda tf: 2.0000005, "Square h>h gray", id="nearly two"),
        pytest.param(lambda tf: 2.00001, "Pow ff>f black *0", id="not two"),
        pytest.param(lambda tf: 3.0, "Pow ff>f black *0", id="three"),
        pytest.param(lambda tf: [2.0] * 8, "Pow ff>f black *0", id="many values"),
        pytest.param(lambda tf: floats(tf, "two", ()), "Pow ff>f black *0", id="fed"),
        pytest.param(
            lambda tf: tf.get_variable("two", [], initializer=tf.constant_initializer(2.0)),
            "Pow ff>f black *0",
            id="variable",
        ),
    ],
)
def test_a_power_by_a_constant_two_is_a_square(exponent, row):
    assert cells(lambda tf: power(tf, exponent(tf)))["power"] == row


def test_a_power_by_a_two_of_another_type_stays():
    def build(tf):
        return tf.pow(tf.placeholder(tf.int32, [4], "x"), 2, name="power")

    assert cells(build)["power"].startswith("Pow ii>i")


@pytest.mark.parametrize("damage", ["half a number", "text", "no value", "no size"])
def test_a_power_by_a_damaged_constant_stays(damage):
    graph_def, names = graph_of(lambda tf: power(tf, 2.0, floats(tf, "x")))
    (constant,) = [node for node in graph_def.node if node.op == "Const"]
    tensor = constant.attr["value"].tensor
    if damage == "half a number":
        tensor.ClearField("float_val")
        tensor.tensor_content = b"abc"
    elif damage == "text":
        tensor.dtype = 7  # DT_STRING
    elif damage == "no value":
        tensor.ClearField("float_val")
    else:
        tensor.tensor_shape.dim.add().size = -1
    (row,) = assign(graph_def, MIX, fetches=names).operators
    assert row.ge_type == "Pow"


@pytest.mark.parametrize(
    ("mode", "row"),
    [(MIX, "Square h>h gray"), (ALLOW, "Square f>f keep *0"), (FORCE, "Square h>h forced"),
     (KEEP, "Square f>f keep")],
)  # fmt: skip
@pytest.mark.parametrize("generation", ["today", "2021"])
def test_a_square_in_every_mode(mode, row, generation):
    found = cells(lambda tf: power(tf, 2.0), mode, generation=generation)["power"]
    assert found.split(" *")[0] == row.split(" *")[0]


def test_a_power_stays_where_its_pass_is_off():
    rows = cells(lambda tf: power(tf, 2.0), fusion_switch_file=OFF)
    assert rows["power"] == "Pow ff>f black *0"


@pytest.mark.parametrize("reference", [False, True])
def test_the_square_of_every_float16_is_rounded_once(reference):
    values = ALL_HALVES[np.isfinite(ALL_HALVES) & (np.abs(ALL_HALVES) < 255)]
    graph_def, names = graph_of(lambda tf: power(tf, 2.0, floats(tf, "x", values.shape)))
    with emulated(graph_def, names, FORCE, reference=reference) as run:
        (got,) = run(names, {"x:0": values.astype(np.float32)})
    same_bits(got, values * values)


def scaled(tf, scale=lambda tf: 0.5, **changes):
    """A dense layer's gradient and that of its regularization, summed."""
    product, variable = halves(tf), tf.get_variable("variable", [4, 8])
    pair = (variable, scale(tf))
    part = tf.multiply(*(pair[::-1] if changes.get("swapped") else pair), name="part")
    terms = [part, product, *([product] if changes.get("three") else [])]
    total = tf.add_n(terms[::-1] if changes.get("second") else terms, name="total")
    if changes.get("used"):
        return [total, tf.exp(part)]
    if changes.get("fetched"):
        return [total, part]
    if changes.get("loss"):
        loss = tf.nn.l2_loss(variable)
        rest = floats(tf, "rest", ())
        return [total, tf.add_n([loss, rest]) if changes["loss"] == "sum" else loss * rest]
    return total


@pytest.mark.parametrize(
    ("scale", "changes", "fused"),
    [
        pytest.param(lambda tf: 0.5, {}, True, id="constant"),
        pytest.param(lambda tf: 0.5, {"swapped": True}, True, id="constant first"),
        pytest.param(lambda tf: [0.5], {}, True, id="one value"),
        pytest.param(lambda tf: [[0.5]], {}, False, id="one value, 2-D"),
        pytest.param(lambda tf: [0.5] * 8, {}, False, id="many values"),
        pytest.param(lambda tf: floats(tf, "s", ()), {"swapped": True}, True, id="fed, first"),
        pytest.param(lambda tf: floats(tf, "s", ()), {}, False, id="fed, second"),
        pytest.param(
            lambda tf: tf.placeholder(tf.float32, None, "s"),
            {"swapped": True},
            False,
            id="any shape",
        ),
        pytest.param(lambda tf: 0.5, {"second": True}, False, id="second of the sum"),
        pytest.param(lambda tf: 0.5, {"three": True}, False, id="three in the sum"),
        pytest.param(lambda tf: 0.5, {"used": True}, False, id="taken elsewhere"),
        pytest.param(lambda tf: 0.5, {"fetched": True}, False, id="fetched"),
        pytest.param(lambda tf: 0.5, {"loss": "sum"}, False, id="its L2Loss is summed"),
        pytest.param(lambda tf: 0.5, {"loss": "mul"}, True, id="its L2Loss is scaled"),
    ],
)
def test_a_sum_of_two_whose_first_is_scaled_is_one_operator(scale, changes, fused):
    rows = cells(lambda tf: scaled(tf, scale, **changes))
    assert ("part" not in rows) is fused
    assert rows["total"].startswith("FusedMulAddN hhh>h gray *02" if fused else "AddN ")


@pytest.mark.parametrize("use_resource", [False, True])
@pytest.mark.parametrize(("shape", "fused"), [([], True), ([1], True), ([4, 8], False)])
def test_a_variable_scales_if_it_is_one_number(shape, fused, use_resource):
    def scale(tf):
        return tf.get_variable("scale", shape, use_resource=use_resource)

    rows = cells(lambda tf: scaled(tf, scale, swapped=True))
    assert ("part" not in rows) is fused


def test_what_the_fusion_changes_is_the_type():
    assert cells(scaled)["total"] == "FusedMulAddN hhh>h gray *02"
    rows = cells(scaled, fusion_switch_file=OFF)
    assert (rows["part"], rows["total"]) == ("Mul ff>f gray", "AddN ff>f gray *1")


@pytest.mark.parametrize("reference", [False, True])
def test_the_product_is_rounded_and_the_sum_again(reference):
    def build(tf):
        x, y = floats(tf, "x", (500,)), floats(tf, "y", (500,))
        return tf.add_n([x * 0.3, y], name="total")

    graph_def, names = graph_of(build)
    x, y = np.random.RandomState(5).uniform(-3, 3, (2, 500)).astype(np.float16)
    assert list(cells(build, FORCE)) == ["total"]
    with emulated(graph_def, names, FORCE, reference=reference) as run:
        (got,) = run(names, {"x:0": x.astype(np.float32), "y:0": y.astype(np.float32)})
    same_bits(got, x * np.float16(0.3) + y)
