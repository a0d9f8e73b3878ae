"""force_fp32: cube operators float16 in and float32 out, everything else float32.

Expected by hand from hicann/ge, op_dtype_selection_strategy_force_fp32.cc, which takes a tensor
after the other; the cube's first input alone asks for float16.
"""

from __future__ import annotations

import pytest

from tests.precision import lenet_graph
from tests.precision.small import CUBE, cell, cells, floats, plan_of

SHAPE = (2, 6, 6, 3)


def conv(tf):
    kernel, bias = tf.get_variable("kernel", [3, 3, 3, 8]), tf.get_variable("bias", [8])
    product = tf.nn.conv2d(floats(tf, "x", SHAPE), kernel, [1] * 4, "SAME", name="one")
    return tf.nn.bias_add(product, bias)


def depthwise(tf):
    kernel = tf.get_variable("kernel", [3, 3, 3, 2])
    return tf.nn.depthwise_conv2d_native(
        floats(tf, "x", SHAPE), kernel, [1] * 4, "SAME", name="one"
    )


def input_gradient(tf):
    kernel = tf.get_variable("kernel", [3, 3, 3, 8])
    gradient = floats(tf, "dy", (2, 6, 6, 8))
    return tf.nn.conv2d_backprop_input(SHAPE, kernel, gradient, [1] * 4, "SAME", name="one")


def filter_gradient(tf):
    inputs = floats(tf, "x", SHAPE), floats(tf, "dy", (2, 6, 6, 8))
    return tf.nn.conv2d_backprop_filter(
        inputs[0], [3, 3, 3, 8], inputs[1], [1] * 4, "SAME", name="one"
    )


def dense(tf):
    kernel, bias = tf.get_variable("kernel", [8, 5]), tf.get_variable("bias", [5])
    return tf.nn.bias_add(tf.matmul(floats(tf, "x"), kernel, name="one"), bias)


def variable_first(tf):
    return tf.matmul(tf.get_variable("kernel", [5, 4]), floats(tf, "x"), name="one")


def two_variables(tf):
    return tf.matmul(*(tf.get_variable(name, [4, 4]) for name in "ab"), name="one")


def batched(tf):
    return tf.matmul(floats(tf, "x", (2, 4, 8)), floats(tf, "y", (2, 8, 3)), name="one")


def integers(tf):
    return tf.matmul(*(tf.placeholder(tf.int32, [4, 4], name) for name in "xy"), name="one")


def pooled(tf):
    return tf.nn.max_pool(floats(tf, "x", SHAPE), [1, 2, 2, 1], [1, 2, 2, 1], "SAME", name="one")


def half_of_the_graph(tf):
    return tf.sigmoid(tf.placeholder(tf.float16, [4, 8], "x"), name="one")


def half_product_of_the_graph(tf):
    return tf.matmul(*(tf.placeholder(tf.float16, [4, 4], name) for name in "xy"), name="one")


def cast(tf):
    return tf.cast(floats(tf, "x"), tf.float16, name="one")


def loss(tf):
    return tf.reduce_mean(tf.square(floats(tf, "x")), name="one")


def update(tf):
    variable = tf.get_variable("variable", [4, 8])._ref()
    return tf.raw_ops.ApplyGradientDescent(
        var=variable, alpha=tf.constant(0.1), delta=floats(tf, "delta"), name="one"
    )


# build -> the row today, and that of 2021's kernels
ROWS = {
    conv: ("Conv2D hhf>f cube *01", "Conv2D hhh>h reduced *012"),
    depthwise: ("DepthwiseConv2D hh>f cube *01", "DepthwiseConv2D hh>h reduced *01"),
    input_gradient: (
        "Conv2DBackpropInputD hh>f cube *01",
        "Conv2DBackpropInputD hh>h reduced *01",
    ),
    filter_gradient: ("Conv2DBackpropFilterD hh>f cube *01",) * 2,
    dense: ("MatMulV2 hhf>f cube *01",) * 2,
    # The variable is looked at last: x asks for float32, and a kernel has it throughout.
    variable_first: ("MatMulV2 ff>f forced",) * 2,
    two_variables: ("MatMulV2 hh>f cube *01",) * 2,
    batched: ("BatchMatMul hh>f cube *01",) * 2,
    integers: ("MatMulV2 ii>i forced",) * 2,
    pooled: ("MaxPool h>h reduced *0",) * 2,
    half_of_the_graph: ("Sigmoid f>f forced *0",) * 2,
    half_product_of_the_graph: ("MatMulV2 hh>f cube",) * 2,
    cast: ("Cast f>h keep",) * 2,
    loss: ("ReduceMeanD f>f forced",) * 2,
    update: ("ApplyGradientDescent fff>f forced",) * 2,
}


@pytest.mark.parametrize(("place", "generation"), enumerate(["today", "2021"]))
@pytest.mark.parametrize("build", ROWS, ids=lambda build: build.__name__)
def test_each_kind_of_operator(build, place, generation):
    assert cells(build, CUBE, generation=generation)["one"] == ROWS[build][place]


def test_a_null_operator_follows_what_feeds_it():
    def build(tf):
        return tf.reshape(pooled(tf), [2, -1], name="flat")

    assert cells(build, CUBE)["flat"] == "Reshape hi>h gray"


def test_keep_dtype_takes_a_product_out_of_the_cube():
    assert cells(dense, CUBE, keep_dtype=["one"])["one"] == "MatMulV2 fff>f keep"


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        ("InputDtype:float32", "MatMulV2 fff>f forced"),
        ("OutputDtype:float16", "MatMulV2 hhh>h cube *012"),
    ],
)
def test_customize_dtypes_goes_first(types, expected):
    assert cells(dense, CUBE, customize_dtypes=f"one::{types}")["one"] == expected


def test_a_black_operator_without_a_float32_kernel_is_not_reduced():
    """As in allow_mix_precision: hicann/ge, sub_ops_store.cc, PrecisionReduceToFp16."""

    def build(tf):
        sizes = tf.placeholder(tf.int32, [5], "sizes")
        tensors = floats(tf, "x", (1, 4, 4, 4, 2)), floats(tf, "dy", (1, 4, 4, 4, 3))
        return tf.raw_ops.Conv3DBackpropFilterV2(
            input=tensors[0], filter_sizes=sizes, out_backprop=tensors[1], strides=[1] * 5,
            padding="SAME", name="one",
        )  # fmt: skip

    assert cells(build, CUBE)["one"].split()[2] == "refused"


LENET = {
    "conv1/Conv2D": "Conv2D hhf>f cube *01",
    "conv1/MaxPool": "MaxPool h>h reduced *0",
    "conv2/Conv2D": "Conv2D hhf>f cube *1",  # the pool before it gives float16
    "conv2/Sigmoid": "Sigmoid f>f forced",
    "fc1/MatMul": "MatMulV2 hhf>f cube *1",
    "fc2/MatMul": "MatMulV2 hhf>f cube *01",
    "xent": "SoftmaxCrossEntropyWithLogits ff>ff forced",
    "loss/Mean": "ReduceMeanD f>f forced",
    "gradients/fc3/MatMul_grad/MatMul_1": "MatMulV2 hh>f cube *01",
    "gradients/fc3/BiasAdd_grad/BiasAddGrad": "BiasAddGrad f>f forced",
    "gradients/conv2/MaxPool_grad/MaxPoolGrad": "MaxPoolGrad hhh>h reduced *02",
    "gradients/conv2/Sigmoid_grad/SigmoidGrad": "SigmoidGrad ff>f forced *1",
    "gradients/conv2/Conv2D_grad/Conv2DBackpropInput": "Conv2DBackpropInputD hh>f cube *01",
    "gradients/conv2/Conv2D_grad/Conv2DBackpropFilter": "Conv2DBackpropFilterD hh>f cube *1",
    "unscale/fc1/kernel": "Mul ff>f forced",
}


def test_lenet():
    rows = {row.name: cell(row) for row in lenet_graph.plan_of("variable", CUBE).operators}
    assert {name: rows[name] for name in LENET} == LENET
    updates = {text for name, text in rows.items() if "/update_" in name}
    assert updates == {"ApplyAdamD ffffffffff>fff forced"}


@pytest.mark.parametrize("generation", ["today", "2021"])
@pytest.mark.parametrize("kind", ["none", "constant", "variable", "conditional", "stand-ins"])
def test_of_lenet_the_cube_the_pools_and_what_follows_them_are_float16(kind, generation):
    rows = lenet_graph.plan_of(kind, CUBE, generation).operators
    half = {row.ge_type for row in rows if "float16" in (*row.inputs, *row.outputs)}
    cube = {row.ge_type for row in rows if row.unit == "cube"}
    assert half == {*cube, "MaxPool", "MaxPoolGrad", "Reshape"}
    assert {row.outputs for row in rows if row.ge_type == "MatMulV2"} == {("float32",)}
    assert {row.engine.value for row in rows} <= {"ai_core", "none"}


def test_reasons_and_the_warning_of_2021():
    plan = plan_of(conv, CUBE)
    assert plan.warnings == ()
    assert [row.reason for row in plan.operators] == ["cube operator: float16 in, float32 out"]
    plan = plan_of(conv, CUBE, generation="2021")
    assert "no force_fp32 (it came in April 2023)" in plan.warnings[0]
    assert plan.operators[0].reason == "reduced: it has no float32 kernel, so float16 throughout"
