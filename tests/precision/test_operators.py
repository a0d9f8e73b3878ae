"""GE types, D forms, fusions and what the library lacks: sections 3, 4.1 and 7."""

from __future__ import annotations

import json

import pytest

from tests.precision.small import ALLOW, FORCE, KEEP, MIX, cell, cells, floats, halves, plan_of

STRIDES = [1, 1, 1, 1]


def images(tf, name="images", channels=4):
    return floats(tf, name, (2, 8, 8, channels))


def conv(tf, value, name="conv"):
    kernel = tf.get_variable(f"{name}_kernel", [3, 3, int(value.shape[-1]), 4])
    return tf.nn.conv2d(value, kernel, STRIDES, "SAME", name=name)


def bias_of(tf, kind):
    if kind == "variable":
        return tf.get_variable("bias", [4])
    if kind == "resource":
        return tf.get_variable("bias", [4], use_resource=True)
    if kind == "constant":
        return tf.constant([1.0, 2.0, 3.0, 4.0])
    if kind == "behind a Cast":
        return tf.cast(tf.get_variable("bias", [4], tf.float64), tf.float32)
    return tf.exp(tf.get_variable("bias", [4]))


@pytest.mark.parametrize(
    ("kind", "fused"),
    [
        ("variable", True),
        ("resource", True),
        ("constant", True),
        ("behind a Cast", False),
        ("computed", False),
    ],
)
@pytest.mark.parametrize("layer", ["conv", "depthwise", "conv3d"])
def test_a_convolution_takes_its_bias_from_a_variable_or_constant(kind, fused, layer):
    def build(tf):
        if layer == "conv":
            made = conv(tf, images(tf))
        elif layer == "depthwise":
            kernel = tf.get_variable("kernel", [3, 3, 4, 1])
            made = tf.nn.depthwise_conv2d_native(images(tf), kernel, STRIDES, "SAME", name="conv")
        else:
            kernel = tf.get_variable("kernel", [3, 3, 3, 4, 4])
            volume = floats(tf, "volume", (1, 4, 4, 4, 4))
            made = tf.nn.conv3d(volume, kernel, [1] * 5, "SAME", name="conv")
        return tf.nn.bias_add(made, bias_of(tf, kind), name="added")

    rows = cells(build)
    assert ("added" not in rows) is fused
    ge_type = {"conv": "Conv2D", "depthwise": "DepthwiseConv2D", "conv3d": "Conv3D"}[layer]
    assert rows["conv"].startswith(f"{ge_type} {'hhh' if fused else 'hh'}>h white")


@pytest.mark.parametrize("kind", ["variable", "constant", "computed"])
def test_a_matmul_takes_its_bias_from_anywhere(kind):
    def build(tf):
        made = tf.matmul(floats(tf, "x"), tf.get_variable("weights", [8, 4]), name="product")
        return tf.nn.bias_add(made, bias_of(tf, kind), name="added")

    assert cells(build)["product"].startswith("MatMulV2 hhh>h white")


@pytest.mark.parametrize(
    ("layer", "bias", "fused"),
    [
        ("conv", "vector", True),
        ("conv", "ones", True),
        ("conv", "scalar", False),
        ("conv", "variable", False),
        ("matmul", "vector", True),
        ("matmul", "ones", False),
        ("matmul", "scalar", False),
        ("matmul", "variable", False),
    ],
)
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("op", ["Add", "AddV2"])
def test_an_add_is_a_bias_only_if_constant_and_of_the_right_shape(layer, bias, fused, first, op):
    def build(tf):
        made = conv(tf, images(tf), "product")
        if layer == "matmul":
            made = tf.matmul(floats(tf, "x"), tf.get_variable("weights", [8, 4]), name="product")
        if bias == "variable":
            value = tf.get_variable("bias", [4])
        else:
            shape = {"vector": [4], "ones": [1, 1, 1, 1], "scalar": []}[bias]
            value = tf.constant(2.0, shape=shape)
        pair = (made, value) if first else (value, made)
        return getattr(tf.raw_ops, op)(x=pair[0], y=pair[1], name="added")

    assert ("added" not in cells(build)) is fused


def test_no_bias_is_taken_if_the_product_has_another_consumer_or_is_fetched():
    def build(tf):
        made = conv(tf, images(tf))
        added = tf.nn.bias_add(made, tf.get_variable("bias", [4]), name="added")
        return [added, tf.exp(made, "other")]

    def fetched(tf):
        made = conv(tf, images(tf))
        return [tf.nn.bias_add(made, tf.get_variable("bias", [4]), name="added"), made]

    assert "added" in cells(build)
    assert "added" in cells(fetched)


def test_the_bias_add_may_have_many_consumers():
    def build(tf):
        added = tf.nn.bias_add(conv(tf, images(tf)), tf.get_variable("bias", [4]), name="added")
        return [tf.exp(added, "one"), tf.exp(added, "two")]

    assert "added" not in cells(build)


@pytest.mark.parametrize(
    ("dims", "batch", "mode", "forward", "backward"),
    [
        pytest.param(4, 2, MIX, "ReluV2 f>fu gray", "ReluGradV2 hu>h white *0", id="4-D, mix"),
        pytest.param(4, 2, ALLOW, "ReluV2 f>fu keep", "ReluGradV2 fu>f keep", id="4-D, allow"),
        pytest.param(4, 2, FORCE, "ReluV2 h>hu forced *0", "ReluGradV2 hu>h forced", id="force"),
        pytest.param(4, 2, KEEP, "ReluV2 f>fu keep", "ReluGradV2 fu>f keep", id="4-D, keep"),
        pytest.param(4, None, MIX, "Relu f>f gray", "ReluGrad ff>f gray", id="unknown batch"),
        pytest.param(2, 2, MIX, "Relu f>f gray", "ReluGrad ff>f gray", id="a dense layer's"),
    ],
)
@pytest.mark.parametrize("generation", ["today", "2021"])
def test_a_static_4d_relu_and_its_gradient_become_v2(
    dims, batch, mode, forward, backward, generation
):
    def build(tf):
        value = floats(tf, "x", (batch, 8, 8, 4)[:dims])
        upstream = tf.sigmoid(value, "upstream")
        out = tf.nn.relu(value, "relu")
        return tf.raw_ops.ReluGrad(gradients=upstream, features=out, name="grad")

    rows = cells(build, mode, generation=generation)
    assert (rows["relu"], rows["grad"]) == (forward, backward)


@pytest.mark.parametrize("use", ["two gradients", "features of another"])
def test_a_relu_with_two_gradients_or_none_of_its_own_stays(use):
    def build(tf):
        value = images(tf)
        out = tf.nn.relu(value, "relu")
        features = out if use == "two gradients" else value
        grads = [
            tf.raw_ops.ReluGrad(gradients=value, features=features, name=f"grad{i}")
            for i in range(2)
        ]
        return [*grads, out]

    assert cells(build)["relu"] == "Relu f>f gray"


@pytest.mark.parametrize(
    ("layer", "mode", "generation", "expected"),
    [
        ("matmul", ALLOW, "today", "MatMulV2 hh>h fp16_first"),
        ("matmul", KEEP, "today", "MatMulV2 hh>f keep"),
        ("matmul", KEEP, "2021", "MatMulV2 hh>f keep"),
        ("matmul", MIX, "today", "MatMulV2 hh>h white"),
        ("conv", KEEP, "today", "Conv2D hh>f keep"),
        ("conv", KEEP, "2021", "Conv2D hh>h keep"),
    ],
)
def test_a_users_half_product_and_its_cast_are_one(layer, mode, generation, expected):
    def build(tf):
        if layer == "conv":
            value = tf.cast(images(tf), tf.float16)
            kernel = tf.placeholder(tf.float16, [3, 3, 4, 4])
            made = tf.nn.conv2d(value, kernel, STRIDES, "SAME", name="product")
        else:
            value = tf.placeholder(tf.float16, [4, 8])
            made = tf.matmul(value, tf.placeholder(tf.float16, [8, 8]), name="product")
        return tf.lgamma(tf.cast(made, tf.float32, name="wide"), name="end")

    rows = cells(build, mode, generation=generation)
    assert rows["product"] == expected
    assert ("wide" in rows) is ((layer, generation) == ("conv", "2021"))


@pytest.mark.parametrize("use_resource", [False, True])
@pytest.mark.parametrize(
    ("generation", "expected"),
    [
        ("today", "FusedMulApplyMomentum ffffff>ff black *3"),
        # Gray: the gradient, input 3, is the first that no variable or constant feeds.
        ("2021", "FusedMulApplyMomentum hhhhhh>hh gray *01245"),
    ],
)
def test_momentum_unscales_in_its_own_type(generation, expected, use_resource):
    def build(tf):
        variable = tf.get_variable("v", [4, 8], use_resource=use_resource)
        inverse = tf.reciprocal(tf.get_variable("scale", [], trainable=False))
        pairs = [(tf.multiply(halves(tf), inverse, name="unscaled"), variable)]
        return tf.train.MomentumOptimizer(0.1, 0.9).apply_gradients(pairs, name="train")

    rows = cells(build, generation=generation, fetches=["train"])
    assert "unscaled" not in rows
    update = next(cell for cell in rows.values() if "Momentum" in cell)
    assert update == expected


def test_batch_norm_keeps_float32_statistics_behind_a_float16_producer():
    def build(tf):
        scale, offset = tf.get_variable("scale", [4]), tf.get_variable("offset", [4])
        made = tf.nn.fused_batch_norm(conv(tf, images(tf)), scale, offset, name="norm")[0]
        grads = tf.gradients(made, [scale])
        return [made, *grads]

    rows = cells(build)
    norm = next(cell for cell in rows.values() if cell.startswith("BatchNorm "))
    grad = next(cell for cell in rows.values() if cell.startswith("BatchNormGrad"))
    assert norm.split()[1].startswith("hffff>hffff")
    assert (norm.split()[2], grad.split()[2]) == ("gray", "gray")
    # The ones that tf.gradients begins with are constant, so x decides.
    assert grad.split()[1].startswith("hhfff")


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda tf, x: tf.tile(x, [2, 1]), "TileD h>h gray"),
        (lambda tf, x: tf.concat([x, x], 0), "ConcatD hh>h gray"),
        (lambda tf, x: tf.transpose(x, [1, 0]), "TransposeD h>h gray"),
        (lambda tf, x: tf.pad(x, [[0, 1], [0, 0]]), "PadD h>h gray"),
        (lambda tf, x: tf.gather(x, [0], axis=0), "GatherV2 hii>h gray"),
        (lambda tf, x: tf.split(x, 2, 1)[0], "SplitD h>hh gray"),
        (lambda tf, x: x[0:2], "StridedSliceD h>h gray"),
        (lambda tf, x: tf.slice(x, [0, 0], [2, 2]), "Slice hii>h gray"),
        (lambda tf, x: tf.argmax(x, 1, output_type=tf.int32), "ArgMaxD h>i gray"),
        (lambda tf, x: tf.cumsum(x), "CumsumD h>h gray"),
        (lambda tf, x: tf.reduce_max(x), "ReduceMaxD h>h gray"),
        (lambda tf, x: tf.nn.softmax(x), "SoftmaxV2 h>h gray"),
        (lambda tf, x: tf.nn.log_softmax(x), "LogSoftmaxV2 f>f black *0"),
        (lambda tf, x: tf.log(x), "Log f>f black *0"),
        (lambda tf, x: tf.nn.l2_loss(x), "L2Loss f>f black *0"),
        (lambda tf, x: tf.stack([x, x]), "Pack hh>h gray"),
        (lambda tf, x: tf.unstack(x)[0], "Unpack h>hhhh gray"),
    ],
)
def test_forms_and_lists_today(make, expected):
    def build(tf):
        made = make(tf, halves(tf))
        return tf.identity(made, "out")

    plan = plan_of(build)
    assert cell(plan.operators[-1]) == expected


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda tf, x: tf.nn.log_softmax(x), "LogSoftmaxV2 h>h gray"),
        (lambda tf, x: tf.log(x), "Log h>h gray"),
        (lambda tf, x: tf.pow(x, x), "Pow hh>h gray"),
        (lambda tf, x: tf.nn.l2_loss(x), "L2Loss f>f black *0"),
        (lambda tf, x: tf.reduce_mean(x), "ReduceMeanD f>f black *0"),
    ],
)
def test_lists_of_2021(make, expected):
    plan = plan_of(lambda tf: make(tf, halves(tf)), generation="2021")
    assert cell(plan.operators[-1]) == expected


def test_a_sum_of_integers_is_no_d_form():
    def build(tf):
        return tf.reduce_sum(tf.placeholder(tf.int32, [4], "x"), name="sum")

    assert cells(build)["sum"] == "ReduceSum ii>i black"


@pytest.mark.parametrize("labels", ["int32", "int64"])
def test_sparse_cross_entropy_has_a_one_hot_in_front(labels):
    def build(tf):
        return tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=tf.placeholder(labels, [4], "labels"), logits=halves(tf), name="xent"
        )

    rows = {name: cell for name, cell in cells(build).items() if "half" not in name}
    if labels == "int32":
        assert sorted(rows.values()) == [
            "OneHotD iff>f gray",
            "SoftmaxCrossEntropyWithLogits hh>hh gray *1",
        ]
    else:
        assert list(rows.values()) == ["SparseSoftmaxCrossEntropyWithLogits fl>ff ai_cpu *0"]


def test_an_operator_that_the_library_lacks_is_named_and_left():
    plan = plan_of(lambda tf: tf.sigmoid(tf.nn.crelu(tf.lgamma(halves(tf), name="odd")), "end"))
    row = next(row for row in plan.operators if row.name == "odd")
    assert (row.rule, row.engine, row.colour) == ("ai_cpu", "ai_cpu", "none")

    plan = plan_of(lambda tf: tf.sigmoid(tf.expand_dims(halves(tf), 0, name="odd"), "end"))
    row = next(row for row in plan.operators if row.name == "odd")
    assert (row.rule, row.inputs, row.casts) == ("unknown", ("float32", "int32"), (0,))
    assert [warning for warning in plan.warnings if "odd" in warning and "ExpandDims" in warning]


def test_a_type_the_table_does_not_speak_of_is_left_and_told():
    plan = plan_of(lambda tf: tf.cast(tf.placeholder(tf.float64, [4], "x"), tf.float32, name="c"))
    row = plan.operators[0]
    assert (row.inputs, row.outputs, row.rule) == (("float64",), ("float32",), "unknown")
    assert "float64" in plan.warnings[0]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (MIX, "MaxPool h>h gray *0"),
        (ALLOW, "MaxPool h>h reduced *0"),
        (KEEP, "MaxPool f>f ai_cpu"),
    ],
)
def test_support_test_of_an_operator_without_float32_kernels(mode, expected):
    def build(tf):
        return tf.nn.max_pool(images(tf), [1, 2, 2, 1], [1, 2, 2, 1], "SAME", name="pool")

    assert cells(build, mode)["pool"] == expected


def test_a_black_operator_is_not_reduced_in_mix():
    table = {
        "ops": {
            "Exp": {"in": ["x"], "out": ["y"], "cols": ["h>h"], "pr": False, "tf": ["Exp"]},
            "Abs": {"in": ["x"], "out": ["y"], "cols": ["h>h"], "pr": False, "tf": ["Abs"]},
        },
        "ai_cpu_fallback": {"ops": ["Abs"]},
    }

    def build(tf):
        return tf.abs(tf.exp(floats(tf, "x"), "exp"), "abs")

    rows = cells(build, library=table)
    assert rows == {"exp": "Exp f>f refused", "abs": "Abs f>f ai_cpu"}
    assert cells(build, ALLOW, library=table)["exp"] == "Exp h>h reduced *0"


def test_another_library_brings_its_own_first_list(tmp_path):
    path = tmp_path / "ops.json"
    entry = {"in": ["x"], "out": ["y"], "cols": ["f>f", "h>h"], "pr": True, "tf": ["Exp"]}
    path.write_text(json.dumps({"ops": {"Exp": entry}, "fp16_first": ["Exp"]}))

    def build(tf):
        return tf.exp(floats(tf, "x"), "exp")

    assert cells(build, ALLOW)["exp"] == "Exp f>f keep"
    assert cells(build, ALLOW, library=str(path))["exp"] == "Exp h>h fp16_first *0"
    assert cells(build, MIX, library=path)["exp"] == "Exp h>h white *0"
