"""What is fused before types are chosen, and when not: section 7."""

from __future__ import annotations

import pytest

from tests.precision.small import ALLOW, FORCE, KEEP, MIX, cells, floats, halves, plan_of

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


@pytest.mark.parametrize("use_resource", [False, True])
def test_momentum_takes_no_mask_for_the_scale(use_resource):
    def build(tf):
        variable = tf.get_variable("v", [4, 8], use_resource=use_resource)
        mask = tf.get_variable("mask", [8], trainable=False, use_resource=use_resource)
        pairs = [(tf.multiply(halves(tf), mask, name="masked"), variable)]
        return tf.train.MomentumOptimizer(0.1, 0.9).apply_gradients(pairs, name="train")

    assert "masked" in cells(build, fetches=["train"])


@pytest.mark.parametrize("scale_first", [False, True])
def test_momentum_takes_the_gradient_and_then_the_scale(scale_first):
    def build(tf):
        variable = tf.get_variable("v", [4, 8])
        inverse = tf.placeholder(tf.float32, [], "inverse")
        factors = [inverse, halves(tf)] if scale_first else [halves(tf), inverse]
        pairs = [(tf.multiply(*factors, name="unscaled"), variable)]
        return tf.train.MomentumOptimizer(0.1, 0.9).apply_gradients(pairs, name="train")

    plan = plan_of(build, generation="2021", fetches=["train"])
    (update,) = [row for row in plan.operators if "Momentum" in row.ge_type]
    gradient, _, scale = update.ports[3:]
    assert (gradient.slot, scale.slot) == ((1, 0) if scale_first else (0, 1))


def _biased_product(tf):
    made = tf.matmul(floats(tf, "x"), tf.get_variable("weights", [8, 4]), name="first")
    return tf.nn.bias_add(made, tf.get_variable("bias", [4]), name="second")


def _widened(product):
    def build(tf):
        return tf.lgamma(tf.cast(product(tf), tf.float32, name="second"), name="end")

    return build


def _half_matmul(tf):
    value = tf.placeholder(tf.float16, [4, 8])
    return tf.matmul(value, tf.placeholder(tf.float16, [8, 8]), name="first")


def _half_conv(tf):
    kernel = tf.placeholder(tf.float16, [3, 3, 4, 4])
    return tf.nn.conv2d(tf.cast(images(tf), tf.float16), kernel, STRIDES, "SAME", name="first")


def _momentum(tf):
    inverse = tf.reciprocal(tf.get_variable("scale", [], trainable=False))
    pairs = [(tf.multiply(halves(tf), inverse, name="first"), tf.get_variable("v", [4, 8]))]
    return tf.train.MomentumOptimizer(0.1, 0.9).apply_gradients(pairs, name="second")


def _sparse(tf):
    labels = tf.placeholder(tf.int32, [4])
    make = tf.nn.sparse_softmax_cross_entropy_with_logits
    return make(labels=labels, logits=halves(tf, shape=(4, 8)), name="first")


@pytest.mark.parametrize(
    ("name", "build", "on", "off"),
    [
        ("MatMulBiasAddFusionPass", _biased_product,
         ["MatMulV2 hhh>h white *012"], ["MatMulV2 hh>h white *01", "BiasAdd hh>h gray *1"]),
        ("MatmulCastFusionPass", _widened(_half_matmul),
         ["MatMulV2 hh>h white"], ["MatMulV2 hh>h white", "Cast h>f keep"]),
        ("ConvCastFusionPass", _widened(_half_conv),
         ["Conv2D hh>h white"], ["Conv2D hh>h white", "Cast h>f keep"]),
        ("A_MomentumLossscaleFusionPass", _momentum,
         ["FusedMulApplyMomentum ffffff>ff black *3"],
         ["Mul hh>h gray *1", "ApplyMomentumD fffff>ff black *3"]),
        ("SparseSoftMaxFusionPass", _sparse,
         ["OneHotD iff>f gray", "SoftmaxCrossEntropyWithLogits hh>hh gray *1"],
         ["SparseSoftmaxCrossEntropyWithLogits fi>ff ai_cpu *0"]),
    ],
)  # fmt: skip
def test_a_pass_that_is_off_makes_nothing(name, build, on, off):

    def rows(**switches):
        found = cells(build, fusion_switch_file={"Switch": {"GraphFusion": switches}})
        return [cell for name, cell in found.items() if name.startswith(("first", "second"))]

    assert rows() == rows(ALL="off", **{name: "on"}) == on
    assert rows(**{name: "off"}) == rows(ALL="off") == off


@pytest.mark.parametrize("switches", [{"AABiasaddConvFusion": "off"}, {"ALL": "off"}])
def test_the_compiler_takes_a_convolutions_bias_whatever_the_file_says(switches):
    def build(tf):
        return tf.nn.bias_add(conv(tf, images(tf)), bias_of(tf, "variable"), name="added")

    plan = plan_of(build, fusion_switch_file={"Switch": {"GraphFusion": switches}})
    assert [row.ge_type for row in plan.operators] == ["Conv2D"]
    assert any("fusion_switch_file" in warning for warning in plan.warnings)
