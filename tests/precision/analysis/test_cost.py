"""FLOPs and bytes, against figures computed by hand from the shapes."""

from __future__ import annotations

import pytest

from lenet_exp.precision.analysis.cost import cost_of, totals
from tests.precision import lenet_graph
from tests.precision.small import ALLOW, FORCE, KEEP, MIX, floats, halves, plan_of

# 2 x multiply-adds; MFLOP of performance-notes.md 2: 15.1, 60.2, 12.0, 1.3, 0.1.
LENET = {
    "conv1/Conv2D": 2 * (64 * 28 * 28 * 6) * (5 * 5 * 1),
    "conv2/Conv2D": 2 * (64 * 14 * 14 * 16) * (5 * 5 * 6),
    "fc1/MatMul": 2 * 64 * 784 * 120,
    "fc2/MatMul": 2 * 64 * 120 * 84,
    "fc3/MatMul": 2 * 64 * 84 * 10,
    "gradients/conv1/Conv2D_grad/Conv2DBackpropFilter": 15_052_800,
    "gradients/conv2/Conv2D_grad/Conv2DBackpropFilter": 60_211_200,
    "gradients/conv2/Conv2D_grad/Conv2DBackpropInput": 60_211_200,
    "gradients/fc1/MatMul_grad/MatMul": 12_042_240,
    "gradients/fc1/MatMul_grad/MatMul_1": 12_042_240,
    "gradients/fc2/MatMul_grad/MatMul": 1_290_240,
    "gradients/fc2/MatMul_grad/MatMul_1": 1_290_240,
    "gradients/fc3/MatMul_grad/MatMul": 107_520,
    "gradients/fc3/MatMul_grad/MatMul_1": 107_520,
}


def test_lenet_s_cube_operators_have_the_flops_of_their_shapes():
    plan = lenet_graph.plan_of("none", MIX)
    costs = cost_of(plan).operators.items()
    found = {name: cost.flops for name, cost in costs if cost.flops is not None}
    assert found == LENET
    assert totals(plan).cube_flops == sum(LENET.values())
    assert round(sum(LENET.values()) / 1e6) == 251


# Convolutions and their gradients: 15.0528 x 2 + 60.2112 x 3 of 251.0592 MFLOP.
@pytest.mark.parametrize(
    ("mode", "generation", "float16_flops", "casts", "float16"),
    [
        pytest.param(MIX, "today", 251_059_200, 27, 33, id="mix"),
        pytest.param(ALLOW, "today", 251_059_200, 45, None, id="allow"),
        pytest.param(ALLOW, "2021", 2 * 15_052_800 + 3 * 60_211_200, 21, None, id="allow 2021"),
        pytest.param(FORCE, "today", 251_059_200, 122, 55, id="force"),
        pytest.param(KEEP, "today", 0, 0, 0, id="keep"),
    ],
)
def test_totals_of_lenet(mode, generation, float16_flops, casts, float16):
    found = totals(lenet_graph.plan_of("none", mode, generation))
    assert (found.operators, found.casts, found.uncounted) == (55, casts, ())
    assert found.cube_flops_float16 == float16_flops
    assert float16 in (None, found.float16)


@pytest.mark.parametrize("use_resource", [False, True])
def test_bytes_are_those_of_inputs_and_outputs_in_their_decided_types(use_resource):
    # Product of float16 [4, 8] and [8, 8], then a mean of [4, 8] in float32 (black).
    def build(tf):
        weights = tf.get_variable("w", [8, 8], use_resource=use_resource)
        made = tf.matmul(floats(tf, "x"), weights, name="product")
        return tf.reduce_mean(made, name="mean")

    plan = plan_of(build)
    costs = cost_of(plan).operators
    assert costs["product"].moved == {"float16": 2 * (32 + 64 + 32)}
    assert costs["mean"].moved == {"float32": 4 * (32 + 1)}
    found = totals(plan)
    assert (found.moved_bytes_float16, found.moved_bytes) == (256, 256 + 132)
    # x, w and the product are cast: 2 and 4 bytes a value.
    assert (found.casts, found.cast_bytes) == (3, 6 * (32 + 64 + 32))


def test_a_cast_of_a_constant_moves_nothing_and_a_null_operator_neither():
    def build(tf):
        made = tf.matmul(floats(tf, "x"), tf.constant([[1.0] * 8] * 8), name="product")
        return tf.reshape(made, [8, 4], name="flat")

    plan = plan_of(build)
    assert totals(plan).cast_bytes == 6 * 32
    assert cost_of(plan).operators["flat"].moved == {}


@pytest.mark.parametrize("in_branch", [False, True])
@pytest.mark.parametrize("use_resource", [False, True])
def test_adam_s_outputs_are_as_large_as_its_variables(use_resource, in_branch):
    def build(tf):
        weights = tf.get_variable("w", [3, 5], use_resource=use_resource)
        loss = tf.reduce_sum(weights * floats(tf, "x", (3, 5)))
        train = tf.train.AdamOptimizer()
        pairs = train.compute_gradients(loss)
        if not in_branch:
            return train.apply_gradients(pairs, name="train")
        made = tf.placeholder(tf.bool, [], "made")
        return tf.cond(made, lambda: train.apply_gradients(pairs), tf.no_op, name="train")

    plan = plan_of(build)
    (row,) = [row for row in plan.operators if row.ge_type == "ApplyAdamD"]
    # var m v grad and three outputs of 15; six scalars
    assert cost_of(plan).operators[row.name].moved == {"float32": 4 * (7 * 15 + 6)}


@pytest.mark.parametrize(
    ("build", "flops"),
    [
        pytest.param(
            lambda tf: tf.matmul(
                floats(tf, "x", (8, 4)), floats(tf, "y", (8, 3)), transpose_a=True
            ),
            2 * 4 * 8 * 3,
            id="transposed",
        ),
        pytest.param(
            lambda tf: tf.matmul(floats(tf, "x", (2, 4, 8)), floats(tf, "y", (2, 8, 3))),
            2 * 2 * 4 * 8 * 3,
            id="batch",
        ),
        pytest.param(
            lambda tf: tf.nn.depthwise_conv2d(
                floats(tf, "x", (1, 6, 6, 3)), floats(tf, "y", (3, 3, 3, 2)), [1] * 4, "SAME"
            ),
            2 * (6 * 6 * 3 * 2) * (3 * 3),
            id="depthwise",
        ),
        pytest.param(
            lambda tf: tf.nn.conv2d(
                floats(tf, "x", (1, 8, 8, 2)), floats(tf, "y", (3, 3, 2, 5)), [1, 2, 2, 1], "VALID"
            ),
            2 * (3 * 3 * 5) * (3 * 3 * 2),
            id="strided",
        ),
    ],
)
def test_flops_of_other_cube_operators(build, flops):
    assert totals(plan_of(build)).cube_flops == flops


def test_batch_normalisation_is_counted_without_what_only_a_gpu_keeps():
    def build(tf):
        # As tf.layers builds it: with a fifth and sixth output that TensorFlow has no shape for.
        scale = tf.get_variable("scale", [8])
        made = tf.raw_ops.FusedBatchNormV3(
            x=floats(tf, "x", (2, 4, 4, 8)), scale=scale, offset=tf.get_variable("offset", [8]),
            mean=tf.constant([]), variance=tf.constant([]), is_training=True, name="norm",
        )  # fmt: skip
        return tf.gradients(made.y, scale)

    plan = plan_of(build)
    found = totals(plan)
    assert found.uncounted == ()
    # x and y, scale and offset, mean and variance and the two kept for the gradient
    assert cost_of(plan).operators["norm"].moved == {"float32": 4 * (2 * 256 + 6 * 8)}


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_what_stands_in_front_of_a_sparse_cross_entropy_is_counted(dtype):
    def build(tf):
        labels = tf.placeholder(dtype, [4], "labels")
        make = tf.nn.sparse_softmax_cross_entropy_with_logits
        return make(labels=labels, logits=halves(tf), name="xent")

    plan = plan_of(build)
    costs = {row.ge_type: cost_of(plan).operators[row.name] for row in plan.operators}
    assert totals(plan).uncounted == ()
    # labels, the values on and off, and one row of 8 classes for each of 4 labels
    assert costs["OneHotD"].moved == {"int32": 4 * 4, "float32": 4 * (2 + 32)}
    entropy = costs["SoftmaxCrossEntropyWithLogits"]  # logits, labels, the loss, its gradient
    assert entropy.moved == {"float16": 2 * (32 + 32 + 4 + 32)}
    assert (entropy.casts, entropy.cast_bytes) == (1, 6 * 32)
    if dtype == "int64":
        assert costs["Cast"].moved == {"int64": 8 * 4, "int32": 4 * 4}


def test_what_has_no_static_shape_is_named():
    def build(tf):
        return tf.matmul(tf.placeholder(tf.float32, [None, 8], "x"), floats(tf, "y", (8, 8)))

    found = totals(plan_of(build))
    assert (found.uncounted, found.cube_flops) == (("MatMul",), 0)
    assert found.cube_share is None


def test_vendor_s_operators_without_shapes_do_no_harm():
    found = totals(lenet_graph.plan_of("conditional", MIX))
    assert found.cube_flops == sum(LENET.values())
    assert "get_status" in found.uncounted
