"""The letter with fewer operations: the same bits, of whatever its operators are given."""

from __future__ import annotations

import itertools
from functools import partial

import numpy as np
import pytest

from lenet_exp import tf_compat
from lenet_exp.precision.emulation.exact.arithmetic import Arithmetic
from lenet_exp.precision.emulation.fast.cut_off import saturating
from lenet_exp.precision.emulation.fast.saturating import Saturating, SaturatingHalves
from lenet_exp.precision.ir.builder import Nodes
from tests.precision.chip import FINITE_HALVES, bits, same_bits, saturate, session_of
from tests.precision.emulation.exact.test_rounding import INPUTS

# The second only where TensorFlow's float16 kernels are fast, which is where it is used.
SHORTER = (Saturating, SaturatingHalves)[: 1 + tf_compat.has_fast_float16()]
EXTREMES = np.array(
    [0.0, -0.0, 1, -1, 2.0**-24, -(2.0**-24), 2.0**-14, 11, -12, 255.9, -256, 65504, -65504],
    np.float32,
)
PAIRS = np.array(list(itertools.product(EXTREMES, EXTREMES)), np.float32)
UNARY = (
    "Abs", "Cos", "Elu", "Erf", "Exp", "L2Loss", "Log", "Neg", "Reciprocal", "Relu", "Rsqrt",
    "Sigmoid", "Sin", "Softplus", "Sqrt", "Square", "Tanh",
)  # fmt: skip
BINARY = (
    "AddV2", "EluGrad", "Maximum", "Minimum", "Mul", "Pow", "RealDiv", "ReluGrad", "SigmoidGrad",
    "SquaredDifference", "Sub", "TanhGrad",
)  # fmt: skip


def rounded_by(kind, build, tensors):
    """Return what a graph of rounded values gives, its results rounded again."""
    tf, nodes = tf_compat.load(), Nodes()
    for index in range(len(tensors)):
        nodes.add("Placeholder", [], f"x{index}", final=f"x{index}", dtype=tf.float32)
    arithmetic = kind(nodes)
    inputs = [arithmetic.rounded(f"x{index}", "given") for index in range(len(tensors))]
    arithmetic.rounded(build(nodes, inputs), "result", final="result")
    graph_def = tf.GraphDef()
    graph_def.node.extend(nodes.made)
    with session_of(graph_def) as session:
        return session.run("result:0", {f"x{i}:0": value for i, value in enumerate(tensors)})


def same(build, tensors):
    """Assert that the letter and its shorter form give the same bits."""
    letter, short = (rounded_by(kind, build, tensors) for kind in (Arithmetic, Saturating))
    assert letter.shape == short.shape
    assert np.array_equal(bits(letter), bits(short))


@pytest.mark.parametrize("inputs", INPUTS.values(), ids=INPUTS)
def test_it_rounds_as_numpy_saturated(inputs):
    values = inputs()
    got = rounded_by(Saturating, lambda nodes, given: given[0], [values])
    same_bits(got, saturate(values))


@pytest.mark.parametrize("op", UNARY)
@pytest.mark.parametrize("values", [FINITE_HALVES.astype(np.float32), EXTREMES], ids=["all", "few"])
def test_operators_of_one_tensor(op, values):
    same(lambda nodes, given: nodes.float_op(op, given, "made"), [values])


@pytest.mark.parametrize("op", BINARY)
def test_operators_of_two_tensors(op):
    one, other = PAIRS.T
    same(lambda nodes, given: nodes.float_op(op, given, "made"), [one, other])


def chain(*ops):
    """Return what applies operators of two tensors, each to the last result and the second."""

    def build(nodes, given):
        value, other = given
        for op in ops:
            value = nodes.float_op(op, [value, other], op)
        return value

    return build


def convolution(nodes, given):
    made = nodes.float_op("Conv2D", given, "made", padding=b"SAME")
    made.node.attr["strides"].list.i.extend([1] * 4)
    return made


def identity_of_two(nodes, given):
    both = nodes.add("IdentityN", given, "both", T=[nodes.tf.float32] * 2)
    return nodes.float_op("AddV2", both.outputs(2), "sum")


# id -> (what is computed without a rounding between, tensors)
PAIR = list(PAIRS.T)
MATRICES = [PAIRS, PAIRS.T[:, ::-1].copy()]
IMAGE = np.resize(EXTREMES, (2, 9, 9, 3))
FILTER = np.resize(EXTREMES[::-1], (3, 3, 3, 3))
CHAINS = {
    "nine factors": (chain(*["Mul"] * 8), PAIR),
    "differences of products": (chain("Mul", "Sub", "Mul", "Sub"), PAIR),
    "infinity less infinity": (chain(*["Mul"] * 12, "Sub", "Sub"), PAIR),
    "nothing by nothing": (chain("Sub", "RealDiv"), PAIR),
    "a product of matrices": (
        lambda nodes, given: nodes.float_op("MatMul", given, "made"), MATRICES,
    ),
    "a sum": (lambda nodes, given: nodes.float_op("AddN", given, "made", N=2), PAIR),
    "a convolution": (convolution, [IMAGE, FILTER]),
    "an identity of several": (identity_of_two, PAIR),
    "what was not rounded": (
        lambda nodes, given: nodes.float_op("AddV2", ["x0", given[1]], "made"),
        [np.array([np.nan, np.inf, -np.inf, 1e38], np.float32), np.full(4, 65504, np.float32)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHAINS)
def test_several_operators_before_a_rounding(name):
    build, tensors = CHAINS[name]
    same(build, tensors)


@pytest.mark.parametrize("op", ["Neg", "Sqrt", "Exp", "Reciprocal"])
def test_steps(op):
    values = FINITE_HALVES.astype(np.float32)
    got = []
    for kind in (Arithmetic, *SHORTER):
        tf, nodes = tf_compat.load(), Nodes()
        nodes.add("Placeholder", [], "x", final="x", dtype=tf.float32)
        arithmetic = kind(nodes)
        value = arithmetic.step(op, [arithmetic.begin(arithmetic.rounded("x", "given"))], "step")
        value = arithmetic.step("Maximum", [value, arithmetic.constant(-11.1)], "most")
        arithmetic.end(value, "result", final="result")
        graph_def = tf.GraphDef()
        graph_def.node.extend(nodes.made)
        with session_of(graph_def) as session:
            got.append(bits(session.run("result:0", {"x:0": values})))
    assert all(np.array_equal(got[0], each) for each in got[1:])


@pytest.mark.parametrize("op", ["AddV2", "Mul", "RealDiv", "Sub"])
def test_steps_of_two_tensors(op):
    def two(kind, nodes, given):
        arithmetic = kind(nodes)
        value = arithmetic.step(op, [arithmetic.begin(each) for each in given], "step")
        return arithmetic.end(value, "end")

    letter, short = (
        rounded_by(Arithmetic, partial(two, kind), PAIR) for kind in (Arithmetic, SHORTER[-1])
    )
    assert np.array_equal(bits(letter), bits(short))


@pytest.mark.parametrize("inputs", INPUTS.values(), ids=INPUTS)
def test_what_was_cast_before_is_cut_off_where_it_has_to_be(inputs):
    """And the square root, which is 0 where there is none."""
    tf, got = tf_compat.load(), []
    for kind in (None, *SHORTER):
        nodes = Nodes()
        nodes.add("Placeholder", [], "x", final="x", dtype=tf.float32)
        half = nodes.cast("x", "float32", "float16", "cast")
        function = saturating(nodes)
        arithmetic = kind(nodes, (), {"x": half}, function) if kind else Arithmetic(nodes)
        value = arithmetic.rounded("x", "given", final="value")
        root = arithmetic.step("Sqrt", [arithmetic.begin(value)], "step")
        arithmetic.end(root, "root", final="root")
        graph_def = tf.GraphDef()
        graph_def.node.extend(nodes.made)
        graph_def.library.function.extend([function])
        with session_of(graph_def) as session:
            got.append(session.run(["value:0", "root:0"], {"x:0": inputs()}))
    for letter, *shorter in zip(*got):
        assert all(np.array_equal(bits(letter), bits(short)) for short in shorter)
