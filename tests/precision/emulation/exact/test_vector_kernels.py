"""Vector operators in float16 against numpy, each following its line of the rules step by step."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from lenet_exp import tf_compat
from lenet_exp.precision.emulation.fast.arithmetic import Fast
from lenet_exp.precision.ir.builder import Nodes
from tests.precision.chip import (
    ALL_HALVES,
    FINITE_HALVES,
    Chip,
    compute,
    overflows,
    same_bits,
    session_of,
)

BOTH = pytest.mark.parametrize("reference", [False, True], ids=["fast", "reference"])
f32, f64 = np.float32, np.float64

# TensorFlow's float16 kernels, which the fast path relies on.
UNARY = {
    # Like numpy's own float16: in float32, so that two values near a midpoint are rounded twice.
    "Exp": lambda x: np.exp(x).astype(np.float32),
    "Sqrt": np.sqrt,
    "Reciprocal": lambda x: 1 / x,
    "Neg": np.negative,
}
BINARY = {
    "AddV2": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "RealDiv": np.divide,
    "Maximum": np.maximum,
}


def float16_kernel(op, *values):
    """Return what one step of Fast makes of float16 values."""
    tf, nodes = tf_compat.load(), Nodes()
    names = "ab"[: len(values)]
    for name in names:
        nodes.add("Placeholder", [], name, final=name, dtype=tf.float32)
    fast = Fast(nodes)
    fast.end(fast.step(op, [fast.begin(name) for name in names], "step"), "end", final="end")
    graph_def = tf.GraphDef()
    graph_def.node.extend(nodes.made)
    with session_of(graph_def) as session:
        feeds = {f"{name}:0": value.astype(np.float32) for name, value in zip(names, values)}
        return session.run("end:0", feeds)


def check_where_nothing_overflows(got, wide):
    """Results count only where nothing overflowed; where something did, they must show it."""
    fine = ~overflows(wide)
    assert not np.isfinite(got[~fine]).any()
    same_bits(got[fine], wide[fine].astype(np.float16))


@pytest.mark.parametrize("op", UNARY)
def test_float16_kernels_of_one_input_round_once(op):
    with np.errstate(all="ignore"):
        wide = UNARY[op](ALL_HALVES.astype(np.float64))
    got = float16_kernel(op, ALL_HALVES)
    if op == "Neg":  # TensorFlow 1.15 subtracts from 0, so that -0 never comes out
        with np.errstate(invalid="ignore"):
            got, wide = got + f32(0), wide + 0
    check_where_nothing_overflows(got, wide)


@pytest.mark.parametrize("op", BINARY)
def test_float16_kernels_of_two_inputs_round_once(op):
    random = np.random.RandomState(0)
    one, other = random.randint(0, 2**16, [2, 10**6]).astype(np.uint16).view(np.float16)
    with np.errstate(all="ignore"):
        wide = BINARY[op](one.astype(np.float64), other.astype(np.float64))
    got = float16_kernel(op, one, other)
    if op == "Maximum":  # IEEE leaves open which 0, and what of NaN
        comparable = np.isfinite(one) & np.isfinite(other)
        got, wide = got[comparable] + f32(0), wide[comparable] + 0
    check_where_nothing_overflows(got, wide)


@pytest.mark.parametrize("op", ["AddV2", "Sub", "Maximum"])
def test_float16_kernels_with_a_scalar_round_once(op):
    scalar = np.float16(1)
    with np.errstate(all="ignore"):
        wide = BINARY[op](f64(scalar), FINITE_HALVES.astype(np.float64))
    check_where_nothing_overflows(float16_kernel(op, scalar, FINITE_HALVES), wide)


# Operators through emulate: the graph, and the chip's line in numpy. Every input is rounded first.


@functools.lru_cache(maxsize=None)
def unary(op):
    return lambda tf: getattr(tf.raw_ops, op)(x=tf.placeholder(tf.float32, [None], "a"))


@functools.lru_cache(maxsize=None)
def binary(op):
    def build(tf):
        one, other = (tf.placeholder(tf.float32, [None], name) for name in "ab")
        return getattr(tf.raw_ops, op)(x=one, y=other)

    return build


def one_rounding(compute_wide):
    def oracle(chip, *inputs):
        wide = [chip.round(each).astype(np.float64) for each in inputs]
        return chip.round(compute_wide(*wide))

    return oracle


# id -> graph, float64 formula, ulp (0: bit for bit): float32's exp, log, tanh and pow are not
# correctly rounded, which shows where a result is near a midpoint.
ROUNDED_ONCE = {
    "Add": (binary("Add"), np.add, 0),
    "AddV2": (binary("AddV2"), np.add, 0),
    "Sub": (binary("Sub"), np.subtract, 0),
    "Mul": (binary("Mul"), np.multiply, 0),
    "RealDiv": (binary("RealDiv"), np.divide, 0),
    "Div": (binary("Div"), np.divide, 0),
    "Pow": (binary("Pow"), np.power, 1),
    "Square": (unary("Square"), np.square, 0),
    "Sqrt": (unary("Sqrt"), np.sqrt, 0),
    "Rsqrt": (unary("Rsqrt"), lambda x: 1 / np.sqrt(x), 1),
    "Reciprocal": (unary("Reciprocal"), lambda x: 1 / x, 0),
    "Exp": (unary("Exp"), np.exp, 1),
    "Log": (unary("Log"), np.log, 1),
    "Tanh": (unary("Tanh"), np.tanh, 1),
}


def moderate(count, seed):
    """Return float32 values that are no float16 values, of all magnitudes that matter."""
    random = np.random.RandomState(seed)
    return (random.randn(count) * 10.0 ** random.uniform(-8, 4.5, count)).astype(np.float32)


EXTREMES = np.array([0, 1, -1, 65504, -65504, 1e30, -1e30, 2.0**-24, -(2.0**-24), 1e-12, 256, -11.1,
                     np.inf, -np.inf, np.nan], np.float32)  # fmt: skip


def ulp_apart(got, expected):
    """Return how many float16 steps two values lie apart; the two zeros are one value."""

    def place(values):
        whole = values.astype(np.float16).view(np.int16).astype(np.int64)
        return np.where(whole < 0, -(whole & 0x7FFF), whole)

    return np.abs(place(got) - place(expected))


def check_near(got, expected, ulp):
    assert (got.astype(np.float16).astype(np.float32) == got).all()  # float16 values at all
    apart = ulp_apart(got, expected)
    assert apart.max() <= ulp, (got[apart > ulp][:5], expected[apart > ulp][:5])
    assert (apart > 0).mean() <= 0.01 * (ulp > 0)


@BOTH
@pytest.mark.parametrize("name", ROUNDED_ONCE)
@pytest.mark.parametrize("kind", ["moderate", "extreme"])
def test_one_operation_is_one_rounding(name, kind, reference):
    build, formula, ulp = ROUNDED_ONCE[name]
    count = formula.nin if isinstance(formula, np.ufunc) else 1
    if kind == "moderate":
        inputs = [moderate(20000, seed) for seed in range(count)]
        if name == "Rsqrt":  # of -0 the two stacks think differently
            inputs = [np.abs(inputs[0])]
    else:
        inputs = [each.ravel() for each in np.meshgrid(*[EXTREMES] * count)]
    chip = Chip()
    with np.errstate(all="ignore"):
        expected = one_rounding(formula)(chip, *inputs)
    feeds = {f"{letter}:0": value for letter, value in zip("ab", inputs)}
    (got,), flag = compute(build, feeds, reference=reference)
    check_near(got, expected, ulp)
    assert flag is chip.flag


QUOTIENTS = [
    pytest.param(1, 0, 65504, True, id="1/0"),
    pytest.param(-1, 0, -65504, True, id="-1/0"),
    pytest.param(0, 0, 0, True, id="0/0"),
    pytest.param(2.0**-24, 0, 65504, True, id="least subnormal/0"),
    pytest.param(1, 1e-8, 65504, True, id="1e-8 is 0 in float16"),
    pytest.param(0, 1e-8, 0, True, id="0 by what is 0 in float16"),
    pytest.param(65504, 0.5, 65504, True, id="overflow"),
    pytest.param(2.0**-24, 4, 0, False, id="underflow"),
    pytest.param(3, 2, 1.5, False, id="exact"),
]


@BOTH
@pytest.mark.parametrize(("one", "other", "expected", "flagged"), QUOTIENTS)
def test_division_by_zero_saturates_and_sets_the_flag(one, other, expected, flagged, reference):
    feeds = {"a:0": np.array([one], f32), "b:0": np.array([other], f32)}
    (got,), flag = compute(binary("RealDiv"), feeds, reference=reference)
    assert got.tolist() == [expected]
    assert flag is flagged


@BOTH
@pytest.mark.parametrize(
    ("op", "value", "expected"),
    [
        pytest.param("Exp", 12, 65504, id="exp(12)"),
        pytest.param("Sqrt", -1, 0, id="sqrt(-1)"),
        pytest.param("Log", 0, -65504, id="log(0)"),
        pytest.param("Log", -1, 0, id="log(-1)"),
        pytest.param("Rsqrt", 0, 65504, id="rsqrt(0)"),
        pytest.param("Square", 256, 65504, id="256 squared"),
    ],
)
def test_the_vendors_examples_of_saturation(op, value, expected, reference):
    (got,), flag = compute(unary(op), {"a:0": np.array([value], f32)}, reference=reference)
    assert got.tolist() == [expected]
    assert flag
