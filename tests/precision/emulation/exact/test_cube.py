"""Cube operators: float16 operands, wide sums, rounded once or twice; within one ulp of float64."""

from __future__ import annotations

import numpy as np
import pytest

from tests.precision.chip import Chip, compute, overflows, same_bits, saturate
from tests.precision.emulation.exact.test_vector_kernels import moderate, ulp_apart
from tests.precision.small import ALLOW, CUBE, FORCE, KEEP, MIX, floats

BOTH = pytest.mark.parametrize("reference", [False, True], ids=["fast", "reference"])
IMAGES, KERNEL = (2, 6, 6, 3), (3, 3, 3, 8)


def values(shape, seed, size=1.0):
    random = np.random.RandomState(seed)
    return (random.randn(*shape) * size).astype(np.float32)


def halves(chip, array):
    return chip.round(array).astype(np.float64)


def convolved(x, kernel):
    """Return the SAME convolution of stride 1 in float64."""
    height, width = kernel.shape[:2]
    padded = np.pad(x, [(0, 0), (height // 2,) * 2, (width // 2,) * 2, (0, 0)], "constant")
    return sum(
        padded[:, i : i + x.shape[1], j : j + x.shape[2]] @ kernel[i, j]
        for i in range(height)
        for j in range(width)
    )


def filter_gradient(x, dy, shape):
    padded = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)], "constant")
    made = np.zeros(shape)
    for i in range(shape[0]):
        for j in range(shape[1]):
            window = padded[:, i : i + x.shape[1], j : j + x.shape[2]]
            made[i, j] = np.einsum("bhwc,bhwk->ck", window, dy)
    return made


def input_gradient(kernel, dy):
    return convolved(dy, kernel[::-1, ::-1].transpose(0, 1, 3, 2))


def check_within_one_ulp(got, expected, size):
    """Sums that cancel have float32's own error of the largest term: at most 2^-18 of it."""
    got16 = got.astype(np.float16)
    assert (got16.astype(np.float32) == got).all()
    near = np.abs(got - expected.astype(np.float64)) <= 2.0**-18 * size
    assert ((ulp_apart(got, expected) <= 1) | near).all()
    assert (got16 == expected).mean() > 0.98


def conv_graph(tf):
    kernel, bias = tf.get_variable("kernel", KERNEL), tf.get_variable("bias", KERNEL[-1:])
    product = tf.nn.conv2d(floats(tf, "x", IMAGES), kernel, [1] * 4, "SAME")
    return tf.nn.bias_add(product, bias)


def dense_graph(tf):
    kernel, bias = tf.get_variable("kernel", (50, 20)), tf.get_variable("bias", [20])
    return tf.nn.bias_add(tf.matmul(floats(tf, "x", (30, 50)), kernel), bias)


@BOTH
@pytest.mark.parametrize("mode", [MIX, FORCE, ALLOW])
@pytest.mark.parametrize("size", [1.0, 100.0, 1e-4], ids=["moderate", "overflow", "subnormal"])
def test_conv_and_bias_round_twice(mode, size, reference):
    x, kernel, bias = values(IMAGES, 0, size), values(KERNEL, 1, size), values((8,), 2, size)
    x[0, 0, 0, 0] *= 10
    if size == 100.0:
        x, kernel = x * 10, kernel * 10
    chip = Chip()
    product = chip.round(convolved(halves(chip, x), halves(chip, kernel)))
    expected = chip.round(product.astype(np.float64) + halves(chip, bias))
    initial = {"kernel": kernel, "bias": bias}
    (got,), flag = compute(conv_graph, {"x:0": x}, mode, initial, reference)
    check_within_one_ulp(got, expected, np.abs(product.astype(np.float64)).max())
    assert flag is chip.flag is (size == 100.0)


@BOTH
@pytest.mark.parametrize("mode", [MIX, FORCE, ALLOW])
@pytest.mark.parametrize("size", [1.0, 100.0, 1e-4], ids=["moderate", "overflow", "subnormal"])
def test_matmul_and_bias_round_once(mode, size, reference):
    x, kernel, bias = values((30, 50), 3, size), values((50, 20), 4, size), values((20,), 5, size)
    if size == 100.0:
        x, kernel = x * 10, kernel * 10
    chip = Chip()
    wide = halves(chip, x) @ halves(chip, kernel) + halves(chip, bias)
    expected = chip.round(wide)
    initial = {"kernel": kernel, "bias": bias}
    (got,), flag = compute(dense_graph, {"x:0": x}, mode, initial, reference)
    check_within_one_ulp(got, expected, np.abs(wide).max())
    assert flag is chip.flag is (size == 100.0)


def conv_of_two(tf):
    kernel, shift = tf.get_variable("kernel", [1, 1, 2, 1]), tf.get_variable("bias", [1])
    made = tf.nn.conv2d(floats(tf, "x", (1, 1, 1, 2)), kernel, [1] * 4, "SAME")
    return tf.nn.bias_add(made, shift)


def dense_of_two(tf):
    kernel, shift = tf.get_variable("kernel", [2, 1]), tf.get_variable("bias", [1])
    return tf.nn.bias_add(tf.matmul(floats(tf, "x", (1, 2)), kernel), shift)


ROUNDINGS = [
    # 1 + 2^-11 is half-way and goes to 1; with the bias' 2^-12 it would have gone up.
    pytest.param(1 + 2.0**-11, 2.0**-12, 1.0, 1 + 2.0**-10, False, id="a tie"),
    pytest.param(65520.0, -16.0, 65472.0, 65504.0, True, id="the sum alone overflows"),
    pytest.param(65504.0, 15.0, 65504.0, 65504.0, False, id="below the threshold"),
]


@BOTH
@pytest.mark.parametrize(("product", "bias", "twice", "once", "flagged"), ROUNDINGS)
def test_only_the_conv_rounds_its_sum_before_the_bias(
    product, bias, twice, once, flagged, reference
):
    """Trap 11, by values: the sum is high + low, both exact in float16."""
    high = np.float32(np.float16(min(product, 65504)))
    low = np.float32(product - high)
    rows = np.array([[high, low]], np.float32)

    initial = {"kernel": np.ones((1, 1, 2, 1), np.float32), "bias": np.array([bias], np.float32)}
    (got,), flag = compute(conv_of_two, {"x:0": rows[None, None]}, MIX, initial, reference)
    assert got.ravel().tolist() == [twice]
    assert flag is flagged
    initial["kernel"] = np.ones((2, 1), np.float32)
    (got,), flag = compute(dense_of_two, {"x:0": rows}, MIX, initial, reference)
    assert got.ravel().tolist() == [once]
    assert not flag
    # A pass that is off leaves a BiasAdd of its own behind the rounded sum.
    options = {
        "fusion_switch_file": '{"Switch": {"GraphFusion": {"MatMulBiasAddFusionPass": "off"}}}'
    }
    (got,), flag = compute(dense_of_two, {"x:0": rows}, MIX, initial, reference, **options)
    assert (got.ravel().tolist(), flag) == ([twice], flagged)


def check_float32(got, expected):
    """Float32 sums of float64's `expected`, which are no float16 values."""
    largest = np.abs(expected).max()
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6 * largest)
    assert largest > 65520
    assert (got != saturate(got)).mean() > 0.9


@BOTH
@pytest.mark.parametrize("overflow", [False, True], ids=["moderate", "overflow"])
def test_force_fp32_rounds_operands_alone(overflow, reference):
    """Neither the sum nor the bias: what is beyond float16 stays, and sets no flag."""
    x, kernel, bias = values(IMAGES, 20, 300), values(KERNEL, 21, 300), values((8,), 22, 300)
    rows, weights, shift = values((30, 50), 23, 300), values((50, 20), 24, 300), bias[0] + 1e5
    if overflow:
        x[0, 0, 0, 0] = rows[0, 0] = -1e6
    chip = Chip()
    expected = convolved(halves(chip, x), halves(chip, kernel)) + bias
    initial = {"kernel": kernel, "bias": bias}
    (got,), flag = compute(conv_graph, {"x:0": x}, CUBE, initial, reference)
    check_float32(got, expected)
    assert flag is chip.flag is overflow
    initial = {"kernel": weights, "bias": np.full(20, shift, np.float32)}
    (got,), flag = compute(dense_graph, {"x:0": rows}, CUBE, initial, reference)
    check_float32(got, halves(chip, rows) @ halves(chip, weights) + shift)
    assert flag is overflow


@BOTH
def test_force_fp32_of_the_kernels_of_2021_is_float16_in_a_convolution(reference):
    x, kernel, bias = values(IMAGES, 0), values(KERNEL, 1), values((8,), 2)
    initial = {"kernel": kernel, "bias": bias}
    (old,), (mixed,) = (
        compute(conv_graph, {"x:0": x}, mode, initial, reference, generation=generation)[0]
        for mode, generation in ((CUBE, "2021"), (MIX, "today"))
    )
    same_bits(old, mixed)


@BOTH
@pytest.mark.parametrize("mode", [MIX, FORCE, ALLOW, CUBE])
def test_backprop_filter_is_float32_unrounded(mode, reference):
    """Trap 3: in every mode; here beyond float16's range too."""
    x, dy = values(IMAGES, 6, 100), values((*IMAGES[:3], 8), 7, 100)

    def build(tf):
        inputs = floats(tf, "x", IMAGES), floats(tf, "dy", dy.shape)
        return tf.nn.conv2d_backprop_filter(inputs[0], KERNEL, inputs[1], [1] * 4, "SAME")

    chip = Chip()
    expected = filter_gradient(halves(chip, x), halves(chip, dy), KERNEL)
    assert np.abs(expected).max() > 65520
    (got,), flag = compute(build, {"x:0": x, "dy:0": dy}, mode, reference=reference)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6 * np.abs(expected).max())
    assert (got != saturate(got)).mean() > 0.9
    assert not flag


def backprop_input(tf):
    kernel, dy = tf.get_variable("kernel", KERNEL), floats(tf, "dy", (*IMAGES[:3], 8))
    return tf.nn.conv2d_backprop_input(IMAGES, kernel, dy, [1] * 4, "SAME")


@BOTH
def test_backprop_input_of_force_fp32_is_float32(reference):
    kernel, dy = values(KERNEL, 8, 300), values((*IMAGES[:3], 8), 9, 300)
    chip = Chip()
    expected = input_gradient(halves(chip, kernel), halves(chip, dy))
    (got,), flag = compute(backprop_input, {"dy:0": dy}, CUBE, {"kernel": kernel}, reference)
    check_float32(got, expected)
    assert flag is False


@BOTH
@pytest.mark.parametrize("mode", [MIX, FORCE, ALLOW])
def test_backprop_input_rounds_once(mode, reference):
    kernel, dy = values(KERNEL, 8), values((*IMAGES[:3], 8), 9)
    chip = Chip()
    wide = input_gradient(halves(chip, kernel), halves(chip, dy))
    (got,), flag = compute(backprop_input, {"dy:0": dy}, mode, {"kernel": kernel}, reference)
    check_within_one_ulp(got, chip.round(wide), np.abs(wide).max())
    assert flag is chip.flag is False


@BOTH
@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("transpose_b", [False, True])
def test_matmul_without_bias_rounds_once(transpose_a, transpose_b, reference):
    a, b = values((30, 30), 10), values((30, 30), 11)

    def build(tf):
        inputs = floats(tf, "a", a.shape), floats(tf, "b", b.shape)
        return tf.matmul(*inputs, transpose_a=transpose_a, transpose_b=transpose_b)

    chip = Chip()
    x, y = halves(chip, a), halves(chip, b)
    wide = (x.T if transpose_a else x) @ (y.T if transpose_b else y)
    (got,), flag = compute(build, {"a:0": a, "b:0": b}, MIX, reference=reference)
    check_within_one_ulp(got, chip.round(wide), np.abs(wide).max())
    assert flag is chip.flag is False


@BOTH
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30], ids=str)
def test_a_cube_operand_that_does_not_fit_is_saturated_and_flagged(value, reference):
    x = np.full((30, 50), 2.0**-10, np.float32)
    x[3, 4] = value
    kernel, bias = values((50, 20), 12), values((20,), 13)
    chip = Chip()
    wide = halves(chip, x) @ halves(chip, kernel) + halves(chip, bias)
    expected = chip.round(wide)
    initial = {"kernel": kernel, "bias": bias}
    (got,), flag = compute(dense_graph, {"x:0": x}, MIX, initial, reference)
    check_within_one_ulp(got, expected, np.abs(wide).max())
    assert np.isfinite(got).all()
    assert flag is chip.flag is True


@BOTH
@pytest.mark.parametrize(
    ("mode", "generation"),
    [pytest.param(KEEP, "today", id="must_keep"), pytest.param(ALLOW, "2021", id="2021's allow")],
)
def test_a_float32_matmul_stays_as_it_is(mode, generation, reference):
    x, kernel, bias = values((30, 50), 14, 1e4), values((50, 20), 15, 1e4), moderate(20, 16)
    initial = {"kernel": kernel, "bias": bias}
    (got,), flag = compute(
        dense_graph, {"x:0": x}, mode, initial, reference, generation=generation
    )  # fmt: skip
    wide = x.astype(np.float64) @ kernel.astype(np.float64) + bias
    np.testing.assert_allclose(got, wide, rtol=1e-4, atol=1e-6 * np.abs(wide).max())
    assert overflows(got).any()
    assert not flag


def test_equal_inputs_give_equal_bits_on_both_paths():
    x, kernel, bias = values(IMAGES, 17), values(KERNEL, 18), values((8,), 19)
    initial = {"kernel": kernel, "bias": bias}
    made = [compute(conv_graph, {"x:0": x}, MIX, initial, each)[0][0] for each in (False, True)]
    same_bits(*made)
