"""The traps of section 10.5; those that are rows of LeNet's tables are named there too."""

from __future__ import annotations

import pytest

from tests.precision import lenet_graph
from tests.precision.small import ALLOW, FORCE, KEEP, MIX, cell, cells, floats, halves


def lenet(scale, mode, generation="today"):
    plan = lenet_graph.plan_of(scale, mode, generation)
    return {row.name: cell(row) for row in plan.operators}


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        pytest.param("none", "Mul hh>h gray *0", id="constant seed: looked at last"),
        pytest.param("variable", "Mul ff>f gray *1", id="seed of a variable: looked at first"),
    ],
)
def test_1_a_constant_input_is_looked_at_last(scale, expected):
    assert lenet(scale, MIX)["gradients/xent_grad/mul"] == expected


@pytest.mark.parametrize(
    ("mode", "name", "expected"),
    [
        (MIX, "unscale/fc1/kernel", "Mul hh>h gray *1"),
        (MIX, "unscale/conv1/kernel", "Mul ff>f gray"),
        (MIX, "unscale/fc1/bias", "Mul ff>f gray"),
        (ALLOW, "unscale/fc1/kernel", "Mul ff>f keep *0"),
    ],
)
def test_2_dense_weights_are_unscaled_in_float16_only_in_mix(mode, name, expected):
    assert lenet("variable", mode)[name] == expected


@pytest.mark.parametrize("mode", [MIX, ALLOW, FORCE])
@pytest.mark.parametrize("generation", ["today", "2021"])
def test_3_filter_and_bias_gradients_are_float32_in_every_mode(mode, generation):
    rows = lenet("none", mode, generation)
    for name in ("Conv2D_grad/Conv2DBackpropFilter", "BiasAdd_grad/BiasAddGrad"):
        assert rows[f"gradients/conv2/{name}"].split()[1].endswith(">f")


def test_4_cross_entropy_is_float16_in_mix_and_its_mean_is_not():
    rows = lenet("none", MIX)
    assert rows["xent"] == "SoftmaxCrossEntropyWithLogits hh>hh gray *1"
    assert rows["loss/Mean"] == "ReduceMeanD f>f black *0"


@pytest.mark.parametrize(
    ("reduction", "static", "generation", "expected"),
    [
        ("reduce_sum", True, "today", "ReduceSumD h>h gray"),
        ("reduce_sum", False, "today", "ReduceSum fi>f black *0"),
        ("reduce_sum", False, "2021", "ReduceSum hi>h gray"),
        ("reduce_mean", True, "today", "ReduceMeanD f>f black *0"),
        ("reduce_mean", False, "today", "ReduceMean hi>h gray"),
        ("reduce_mean", False, "2021", "Mean fi>f ai_cpu *0"),
    ],
)
def test_5_the_d_form_is_what_counts(reduction, static, generation, expected):
    def build(tf):
        axis = [0] if static else tf.placeholder(tf.int32, [1], "axis")
        return getattr(tf, reduction)(halves(tf), axis, name="reduced")

    assert cells(build, generation=generation)["reduced"] == expected


def test_6_the_folded_seed_is_one_constant_that_is_cast_on_the_host():
    plan = lenet_graph.plan_of("constant", MIX)
    edge = next(e for e in plan.casts if e.consumer == "gradients/xent_grad/mul")
    assert edge.on_host
    node = next(n for n in plan.graph_def.node if n.name == edge.producer.node)
    assert node.op == "Const"
    # scale 1024 over a batch of 64, by hand
    assert set(values(node).ravel()) == {16.0}
    assert not any(e.on_host for e in plan.casts if e.consumer.startswith("conv"))


def values(node):
    from tensorflow.python.framework import tensor_util

    return tensor_util.MakeNdarray(node.attr["value"].tensor)


def test_7_force_runs_adam_its_powers_and_their_assign_in_float16():
    rows = lenet("none", FORCE)
    assert rows["train/update_fc1/bias/ApplyAdam"].startswith("ApplyAdamD hhhhhhhhhh>hhh forced")
    assert rows["train/mul"] == "Mul hh>h forced *01"
    assert rows["train/Assign"] == "Assign hh>h forced *0"


def test_8_pooling_is_float16_in_allow_though_its_producer_is_float32():
    rows = lenet("none", ALLOW)
    assert rows["conv1/Sigmoid"] == "Sigmoid f>f keep *0"
    assert rows["conv1/MaxPool"] == "MaxPool h>h reduced *0"
    assert rows["gradients/conv2/MaxPool_grad/MaxPoolGrad"] == "MaxPoolGrad hhh>h reduced *0"
    assert rows["flatten/Reshape"] == "Reshape hi>h gray"


@pytest.mark.parametrize(
    ("generation", "dense", "conv"),
    [
        ("today", "MatMulV2 hhh>h fp16_first *012", "Conv2D hhh>h fp16_first *12"),
        ("2021", "MatMulV2 fff>f keep", "Conv2D hhh>h reduced *12"),
    ],
)
def test_9_dense_layers_stay_float32_in_allow_of_2021(generation, dense, conv):
    rows = lenet("none", ALLOW, generation)
    assert (rows["fc2/MatMul"], rows["conv2/Conv2D"]) == (dense, conv)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (MIX, "Reshape hi>h gray"),
        (ALLOW, "Reshape hi>h gray"),
        (KEEP, "Reshape hi>h gray"),
        (FORCE, "Reshape hi>h forced"),
    ],
)
def test_10_null_operators_follow_even_in_must_keep_and_are_forced_in_force(mode, expected):
    def build(tf):
        half = tf.cast(floats(tf, "x"), tf.float16, name="cast")
        return tf.reshape(half, [32], name="reshape")

    assert cells(build, mode)["reshape"] == expected


def test_10_a_forced_null_operator_does_not_follow_a_float32_producer():
    def build(tf):
        return tf.reshape(tf.lgamma(floats(tf, "x"), name="not_in_library"), [32], name="reshape")

    assert cells(build, FORCE)["reshape"] == "Reshape hi>h forced *0"


def test_11_conv_and_matmul_with_bias_are_one_operator_of_two_nodes():
    plan = lenet_graph.plan_of("none", MIX)
    rows = {row.name: row for row in plan.operators}
    assert rows["conv1/Conv2D"].parts == ("conv1/Conv2D", "conv1/BiasAdd")
    assert rows["fc1/MatMul"].parts == ("fc1/MatMul", "fc1/BiasAdd")
    assert {"conv1/BiasAdd", "fc1/BiasAdd"} <= {node.name for node in plan.graph_def.node}


def test_12_gray_operators_fed_only_by_variables_stay_float32():
    rows = lenet("variable", MIX)
    assert rows["train/mul"] == "Mul ff>f gray"
    assert rows["inv_scale"] == "Reciprocal f>f gray"


@pytest.mark.parametrize(
    ("half_first", "expected"),
    [(True, "Add hh>h gray *1"), (False, "Add ff>f gray *1")],
)
def test_13_of_two_producers_the_first_decides(half_first, expected):
    def build(tf):
        pair = [halves(tf), tf.sigmoid(floats(tf, "y"))]
        return tf.add(*(pair if half_first else pair[::-1]), name="sum")

    assert cells(build)["sum"] == expected


@pytest.mark.parametrize("scale", ["none", "variable"])
def test_14_what_only_control_edges_hold_is_not_compiled(scale):
    graph_def = lenet_graph.training_graph(scale)
    assert any(node.op == "LogSoftmax" for node in graph_def.node)
    plan = lenet_graph.plan_of(scale, MIX)
    kinds = {node.op for node in plan.graph_def.node}
    assert not kinds & {"LogSoftmax", "Neg", "ZerosLike"}
    gone = "gradients/conv1/Conv2D_grad/Conv2DBackpropInput"
    assert gone not in {node.name for node in plan.graph_def.node}
