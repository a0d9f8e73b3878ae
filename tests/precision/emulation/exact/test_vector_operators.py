"""Vector operators of several roundings, through emulate, against the chip's lines in numpy."""

from __future__ import annotations

import numpy as np
import pytest

from tests.precision.chip import (
    ALL_HALVES,
    FINITE_HALVES,
    Chip,
    bits,
    compute,
    same_bits,
)
from tests.precision.emulation.exact.test_vector_kernels import BOTH, check_near, moderate
from tests.precision.small import KEEP, floats

f32, f64 = np.float32, np.float64


def sigmoid_graph(tf):
    return tf.sigmoid(tf.placeholder(tf.float32, [None], "a"))


def sigmoid(chip, x, generation):
    x = chip.round(x)
    if generation == "today":
        x = np.maximum(x, np.float16(-11.0859375))
    with np.errstate(over="ignore"):
        e = chip.round(np.exp(-x.astype(np.float64)).astype(np.float32))
    s = chip.round(1 + e.astype(np.float64))
    return chip.round(1 / s.astype(np.float64))


@BOTH
@pytest.mark.parametrize("generation", ["today", "2021"])
@pytest.mark.parametrize("kind", ["all", "finite", "no overflow"])
def test_sigmoid_rounds_four_times(generation, kind, reference):
    above = FINITE_HALVES[FINITE_HALVES > -11]
    values = {"all": ALL_HALVES, "finite": FINITE_HALVES, "no overflow": above}[kind].astype(f32)
    chip = Chip()
    expected = sigmoid(chip, values, generation)
    (got,), flag = compute(
        sigmoid_graph, {"a:0": values}, reference=reference, generation=generation
    )
    same_bits(got, expected)
    assert flag is chip.flag
    assert chip.flag is (kind == "all" or (kind == "finite" and generation == "2021"))


@BOTH
@pytest.mark.parametrize(
    ("generation", "value", "expected", "flagged"),
    [
        # exp(11.0859375) = 65240; 1/65248 and 1/65504 as subnormals
        pytest.param("2021", -11.0859375, 257 * 2.0**-24, False, id="2021, last without overflow"),
        pytest.param("2021", -11.09375, 256 * 2.0**-24, True, id="2021, first overflow"),
        pytest.param("2021", -60000.0, 256 * 2.0**-24, True, id="2021, far"),
        pytest.param("today", -11.09375, 257 * 2.0**-24, False, id="today, clamped"),
        pytest.param("today", -60000.0, 257 * 2.0**-24, False, id="today, clamped from far"),
    ],
)
def test_sigmoid_overflows_only_in_2021(generation, value, expected, flagged, reference):
    feeds = {"a:0": np.full(3, value, np.float32)}
    (got,), flag = compute(sigmoid_graph, feeds, reference=reference, generation=generation)
    assert got.tolist() == [expected] * 3
    assert flag is flagged


def sigmoid_grad_graph(tf):
    names = [tf.placeholder(tf.float32, [None], name) for name in "ab"]
    return tf.raw_ops.SigmoidGrad(y=names[0], dy=names[1])


def sigmoid_grad(chip, y, dy, generation):
    y, dy = chip.round(y).astype(f32), chip.round(dy).astype(f32)
    if generation == "today":
        return chip.round((dy * (1 - y)) * y)
    return chip.round((y - y * y) * dy)


@BOTH
@pytest.mark.parametrize("generation", ["today", "2021"])
@pytest.mark.parametrize("largest", [10.0, 1e6], ids=["moderate", "overflow"])
def test_sigmoid_grad_is_computed_in_float32(generation, largest, reference):
    random = np.random.RandomState(1)
    y = random.uniform(0, 1, 10**5).astype(np.float32)
    dy = (random.randn(10**5) * 10.0 ** random.uniform(-8, np.log10(largest), 10**5)).astype(f32)
    chip = Chip()
    expected = sigmoid_grad(chip, y, dy, generation)

    feeds = {"a:0": y, "b:0": dy}
    (got,), flag = compute(
        sigmoid_grad_graph, feeds, reference=reference, generation=generation
    )  # fmt: skip
    same_bits(got, expected)
    assert flag is chip.flag is (largest > 10)


@BOTH
@pytest.mark.parametrize(
    ("generation", "expected"),
    [
        ("today", [0.00684356689453125, 0.08575439453125]),
        ("2021", [0.006847381591796875, 0.0858154296875]),
    ],
)
def test_sigmoid_grad_differs_in_the_last_bit_between_the_generations(
    generation, expected, reference
):
    y = np.array([0.00444793701171875, 0.05462646484375], np.float32)
    dy = np.array([1.5458984375, 1.6611328125], np.float32)
    assert sigmoid_grad(Chip(), y, dy, generation).tolist() == expected
    (got,), _ = compute(
        sigmoid_grad_graph, {"a:0": y, "b:0": dy}, reference=reference, generation=generation
    )  # fmt: skip
    assert got.tolist() == expected


def tanh_grad(chip, y, dy):
    y, dy = chip.round(y).astype(np.float64), chip.round(dy).astype(np.float64)
    return chip.round(dy * (1 - y * y))


@BOTH
def test_tanh_grad_is_rounded_once(reference):
    y, dy = np.tanh(moderate(10**4, 0)), moderate(10**4, 1)
    chip = Chip()
    expected = tanh_grad(chip, y, dy)

    def build(tf):
        names = [tf.placeholder(tf.float32, [None], name) for name in "ab"]
        return tf.raw_ops.TanhGrad(y=names[0], dy=names[1])

    (got,), flag = compute(build, {"a:0": y, "b:0": dy}, reference=reference)
    check_near(got, expected, 1)
    assert flag is chip.flag


def cross_entropy_graph(tf):
    logits, labels = (floats(tf, name, (5000, 10)) for name in "ab")
    made = tf.raw_ops.SoftmaxCrossEntropyWithLogits(features=logits, labels=labels)
    return list(made)


def cross_entropy(chip, logits, labels):
    logits, labels = (chip.round(each).astype(np.float64) for each in (logits, labels))
    shifted = logits - logits.max(1, keepdims=True)
    total = np.exp(shifted).sum(1, keepdims=True)
    loss = (labels * (np.log(total) - shifted)).sum(1)
    return chip.round(loss), chip.round(np.exp(shifted) / total - labels)


@BOTH
@pytest.mark.parametrize("size", [1.0, 1000.0, 1e5], ids=["small", "large", "overflow"])
def test_softmax_cross_entropy_is_rounded_at_the_end(size, reference):
    random = np.random.RandomState(2)
    logits = (random.randn(5000, 10) * size).astype(np.float32)
    labels = np.eye(10, dtype=np.float32)[random.randint(0, 10, 5000)]
    chip = Chip()
    loss, backprop = cross_entropy(chip, logits, labels)

    feeds = {"a:0": logits, "b:0": labels}
    (got_loss, got_backprop), flag = compute(cross_entropy_graph, feeds, reference=reference)
    check_near(got_loss, loss, 1)
    # Where probability and label cancel, float32's own error is many of the result's ulp.
    assert np.abs(got_backprop - backprop).max() <= 2.0**-11
    assert (bits(got_backprop.astype(np.float16)) == bits(backprop)).mean() > 0.95
    assert (got_backprop.astype(np.float16) == got_backprop).all()
    assert flag is chip.flag is (size > 1000)


def _feed(shape):
    return lambda op: lambda tf: op(tf, floats(tf, "a", shape))


WIDE_SUMS = [
    pytest.param(lambda tf, a: tf.reduce_mean(a, 0), [65504.0] * 64, 65504.0, id="Mean"),
    pytest.param(lambda tf, a: tf.reduce_mean(a, 0), [3.0, 4.0], 3.5, id="Mean of two"),
    pytest.param(
        # 2049 * float32(1/3) + ... : each product in float32, one rounding.
        lambda tf, a: tf.reduce_mean(a, 0), [2048.0, 2.0, 2.0], 684.0, id="Mean of three"
    ),
    pytest.param(
        lambda tf, a: tf.reduce_sum(a, 0), [65504.0, 65504.0, -65504.0], 65504.0, id="Sum"
    ),
    pytest.param(lambda tf, a: tf.reduce_sum(a, 0), [2048.0, 1.0, 1.0], 2050.0, id="Sum of small"),
    pytest.param(
        lambda tf, a: tf.add_n([a[0], a[1], a[2]]), [65504.0, 65504.0, -65504.0], 65504.0, id="AddN"
    ),
]  # fmt: skip


@BOTH
@pytest.mark.parametrize(("op", "values", "expected"), WIDE_SUMS)
def test_sums_are_wide_and_rounded_once(op, values, expected, reference):
    values = np.array(values, f32)[:, None]
    (got,), flag = compute(_feed(values.shape)(op), {"a:0": values}, reference=reference)
    assert got.tolist() == [expected]
    assert not flag


@BOTH
@pytest.mark.parametrize("reused", [0, 1, 2, None])
@pytest.mark.parametrize("op", ["AddN", "AccumulateNV2"])
def test_sums_of_several_are_in_order_whatever_memory_is_free(op, reused, reference):
    """TensorFlow's kernel would begin with the input whose memory it may write to."""
    values = [f32(2**24), f32(-(2**24)), f32(2.0**-7)]

    def build(tf):
        fed = [tf.placeholder(tf.float32, [2], f"in_{place}") for place in range(3)]
        if reused is not None:
            fed[reused] = tf.multiply(fed[reused], 1.0)
        if op == "AddN":
            return tf.add_n(fed)
        return tf.raw_ops.AccumulateNV2(inputs=fed, shape=[2])

    feeds = {f"in_{place}:0": np.full(2, value, f32) for place, value in enumerate(values)}
    (got,), _ = compute(build, feeds, KEEP, reference=reference)
    assert got.tolist() == [2.0**-7] * 2


@BOTH
def test_mean_multiplies_by_the_reciprocal(reference):
    random = np.random.RandomState(3)
    values = random.randn(7, 20000).astype(np.float16).astype(np.float32)
    products = values * (f32(1) / f32(7))
    expected = products.astype(np.float64).sum(0).astype(np.float16)
    build = _feed(values.shape)(lambda tf, a: tf.reduce_mean(a, 0))
    (got,), flag = compute(build, {"a:0": values}, reference=reference)
    cancelled = np.abs(expected) < 2.0**-10
    check_near(got[~cancelled], expected[~cancelled], 1)
    assert not flag


@BOTH
@pytest.mark.parametrize("axes", [[0], [1, 2], [0, 1, 2], [-1]], ids=str)
@pytest.mark.parametrize("keep", [False, True])
def test_mean_of_any_axes(axes, keep, reference):
    values = np.arange(4 * 2 * 8, dtype=np.float32).reshape(4, 2, 8)
    build = _feed(values.shape)(lambda tf, a: tf.reduce_mean(a, axes, keepdims=keep))
    (got,), _ = compute(build, {"a:0": values}, reference=reference)
    same_bits(got, values.mean(tuple(axes), keepdims=keep).astype(np.float16))


FLOAT32_OUT = [
    pytest.param(
        lambda tf, a: tf.raw_ops.BiasAddGrad(out_backprop=a), [65504.0, 65504.0], [131008.0],
        id="BiasAddGrad, beyond float16",
    ),
    pytest.param(
        lambda tf, a: tf.raw_ops.BiasAddGrad(out_backprop=a), [2048.0, 1.0], [2049.0],
        id="BiasAddGrad, 12 bits",
    ),
    pytest.param(
        lambda tf, a: tf.raw_ops.BiasAddGrad(out_backprop=a), [2049.0, 0.0], [2048.0],
        id="BiasAddGrad, its input is rounded",
    ),
    pytest.param(lambda tf, a: tf.nn.l2_loss(a), [1000.0, 3.0], 500004.5, id="L2Loss"),
]  # fmt: skip


@BOTH
@pytest.mark.parametrize(("op", "values", "expected"), FLOAT32_OUT)
def test_float32_sums_are_not_rounded(op, values, expected, reference):
    values = np.array(values, f32)[:, None]
    (got,), flag = compute(_feed(values.shape)(op), {"a:0": values}, reference=reference)
    assert got.tolist() == expected
    assert not flag


@BOTH
def test_bias_add_is_one_rounding_of_rounded_inputs(reference):
    values, bias = moderate(8000, 4).reshape(-1, 8), moderate(8, 5)
    chip = Chip()
    expected = chip.round(f64(chip.round(values)) + f64(chip.round(bias)))

    def build(tf):
        return tf.nn.bias_add(floats(tf, "a", values.shape), floats(tf, "b", (8,)))

    (got,), flag = compute(build, {"a:0": values, "b:0": bias}, reference=reference)
    same_bits(got, expected)
    assert flag is chip.flag


@BOTH
def test_max_pool_and_its_gradient_only_move_values(reference):
    values = moderate(2 * 4 * 4 * 3, 6).reshape(2, 4, 4, 3)
    gradient = moderate(2 * 2 * 2 * 3, 7).reshape(2, 2, 2, 3)
    chip = Chip()
    x, dy = chip.round(values), chip.round(gradient)
    windows = x.reshape(2, 2, 2, 2, 2, 3).transpose(0, 1, 3, 5, 2, 4).reshape(2, 2, 2, 3, 4)
    expected = np.zeros(windows.shape, np.float16)
    np.put_along_axis(expected, windows.argmax(-1)[..., None], dy[..., None], -1)
    expected = expected.reshape(2, 2, 2, 3, 2, 2).transpose(0, 1, 4, 2, 5, 3).reshape(x.shape)

    def build(tf):
        x = floats(tf, "a", (2, 4, 4, 3))
        pooled = tf.nn.max_pool(x, [1, 2, 2, 1], [1, 2, 2, 1], "VALID")
        return [pooled, tf.gradients(pooled, x, floats(tf, "b", (2, 2, 2, 3)))[0]]

    (pooled, back), flag = compute(build, {"a:0": values, "b:0": gradient}, reference=reference)
    same_bits(pooled, windows.max(-1))
    same_bits(back + f32(0), expected.astype(f32) + f32(0))
    assert flag is chip.flag
