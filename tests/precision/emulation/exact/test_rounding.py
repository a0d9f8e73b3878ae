"""Rounding through a real session with its optimizers on, against numpy's float16."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lenet_exp import tf_compat
from lenet_exp.precision.emulation.exact.arithmetic import Arithmetic
from lenet_exp.precision.emulation.exact.rounding import round_array
from lenet_exp.precision.emulation.fast.arithmetic import Fast, all_finite
from lenet_exp.precision.ir.builder import Nodes
from tests.precision.chip import (
    ALL_HALVES,
    FINITE_HALVES,
    OVERFLOW,
    compute,
    overflows,
    same_bits,
    saturate,
    session_of,
)


def midpoints():
    """Return what lies half-way between two float16 values, and its float32 neighbours."""
    ordered = np.unique(np.append(FINITE_HALVES.astype(np.float64), [-65536, 65536]))
    middle = ((ordered[1:] + ordered[:-1]) / 2).astype(np.float32)
    infinity = np.float32(np.inf)
    return np.concatenate([middle, np.nextafter(middle, infinity), np.nextafter(middle, -infinity)])


def patterns(count, seed=0):
    """Return float32 values of random bits: NaN, infinity and subnormals among them."""
    random = np.random.RandomState(seed)
    return random.randint(0, 2**32, count, dtype=np.uint64).astype(np.uint32).view(np.float32)


SPECIALS = np.array(
    [np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45, -1e-45, 3.4e38, -3.4e38, 65504, 65519.996,
     65520, 65536, -65519.996, -65520, 2.0**-24, 2.0**-25, -(2.0**-25), 2.0**-25 * 1.0001,
     2.0**-14],
    np.float32,
)  # fmt: skip
# id -> float32 values
INPUTS = {
    "all float16 values": lambda: ALL_HALVES.astype(np.float32),
    "midpoints and neighbours": midpoints,
    "specials": lambda: SPECIALS,
    "a million random bits": lambda: patterns(10**6),
}


def _graph(kind):
    """Return a graph x -> rounded and, of Arithmetic and Fast, clean."""
    tf = tf_compat.load()
    nodes = Nodes()
    nodes.add("Placeholder", [], "x", final="x", dtype=tf.float32)
    if kind == "fast":
        arithmetic = Fast(nodes)
        arithmetic.rounded("x", "fast", final="rounded")
        clean = all_finite(nodes, arithmetic.sums(arithmetic.ends), "fast")
    else:
        arithmetic = Arithmetic(nodes, flush=kind == "flush")
        arithmetic.rounded("x", "exact", final="rounded")
        (clean,) = arithmetic.clean
    nodes.add("Identity", [clean], "clean", final="clean", T=tf.bool)
    graph_def = tf.GraphDef()
    graph_def.node.extend(nodes.made)
    return graph_def


@pytest.fixture(scope="module")
def rounding():
    """Return a function of (kind, float32 values) -> rounded, clean."""
    sessions = {kind: session_of(_graph(kind), True) for kind in ("exact", "fast", "flush")}
    with sessions["exact"], sessions["fast"], sessions["flush"]:
        yield lambda kind, values: sessions[kind].run(["rounded:0", "clean:0"], {"x:0": values})


@pytest.mark.parametrize("inputs", INPUTS.values(), ids=INPUTS)
def test_exact_rounds_as_numpy_saturated(rounding, inputs):
    values = inputs()
    rounded, _ = rounding("exact", values)
    same_bits(rounded, saturate(values))


@pytest.mark.parametrize("inputs", INPUTS.values(), ids=INPUTS)
def test_fast_rounds_as_numpy_what_does_not_overflow(rounding, inputs):
    values = inputs()
    values = values[~overflows(values)]
    rounded, clean = rounding("fast", values)
    same_bits(rounded, values.astype(np.float16))
    assert clean


@pytest.mark.full
@pytest.mark.parametrize("seed", range(1, 11))
def test_ten_million_random_bits(rounding, seed):
    values = patterns(10**6, seed)
    same_bits(rounding("exact", values)[0], saturate(values))
    values = values[~overflows(values)]
    same_bits(rounding("fast", values)[0], values.astype(np.float16))


LIMITS = [
    pytest.param(65504.0, False, id="largest float16"),
    pytest.param(np.nextafter(np.float32(OVERFLOW), np.float32(0)), False, id="rounds to 65504"),
    pytest.param(65520.0, True, id="first overflow"),
    pytest.param(-65520.0, True, id="first negative overflow"),
    pytest.param(3.4e38, True, id="largest float32"),
    pytest.param(np.inf, True, id="infinity"),
    pytest.param(-np.inf, True, id="negative infinity"),
    pytest.param(np.nan, True, id="NaN"),
    pytest.param(2.0**-26, False, id="underflow"),
]


@pytest.mark.parametrize("kind", ["exact", "fast"])
@pytest.mark.parametrize(("value", "overflow"), LIMITS)
def test_flag_is_set_from_65520_on(rounding, kind, value, overflow):
    # Among others, at a place that vectorised and scalar loops see; and alone.
    for count, place in ((1, 0), (37, 3), (37, 36)):
        values = np.ones(count, np.float32)
        values[place] = value
        assert bool(rounding(kind, values)[1]) is not overflow


def test_flag_sees_each_of_all_values_in_a_batch(rounding):
    values = SPECIALS
    for value, expected in zip(values, overflows(values)):
        assert bool(rounding("exact", np.array([value]))[1]) is not bool(expected)


def test_fast_flag_stays_clean_for_a_million_values_of_65504(rounding):
    assert rounding("fast", np.full(10**6, 65519, np.float32))[1]


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (2, 3, 4, 5, 6, 7)], ids=str)
@pytest.mark.parametrize("kind", ["exact", "fast"])
def test_any_shape_is_rounded(rounding, kind, shape):
    rounded, clean = rounding(kind, np.full(shape, 1 + 2**-11, np.float32))
    same_bits(rounded, np.ones(shape))
    assert clean


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(2.0**-14, 2.0**-14, id="least normal"),
        pytest.param(2.0**-14 - 2.0**-26, 2.0**-14, id="rounded up to it"),
        pytest.param(1023 * 2.0**-24, 0.0, id="largest subnormal"),
        pytest.param(-1023 * 2.0**-24, -0.0, id="negative subnormal"),
        pytest.param(1e9, 65504.0, id="overflow"),
    ],
)
def test_flush_makes_subnormals_zero(rounding, value, expected):
    values = np.full(9, value, np.float32)
    same_bits(rounding("flush", values)[0], np.full(9, expected))
    same_bits(round_array(values, flush=True), np.full(9, expected))


@pytest.mark.parametrize("inputs", INPUTS.values(), ids=INPUTS)
def test_host_rounds_as_numpy_saturated(inputs):
    values = inputs()
    same_bits(round_array(values), saturate(values))


def transposed(tf):
    """Return a graph whose input is rounded, and which changes nothing else."""
    return tf.transpose(tf.placeholder(tf.float32, [None, 1], "x"), [1, 0])


@pytest.mark.parametrize("reference", [False, True], ids=["fast", "reference"])
@pytest.mark.parametrize("inputs", INPUTS.values(), ids=INPUTS)
def test_an_emulated_operator_rounds_what_it_takes(inputs, reference):
    values = inputs()
    for each in (values, values[~overflows(values)]):
        (rounded,), flag = compute(transposed, {"x:0": each[:, None]}, reference=reference)
        same_bits(rounded, saturate(each)[None])
        assert flag is bool(overflows(each).any())


OTHER_ONEDNN = """
import os, sys, pytest
from lenet_exp import tf_compat
os.environ["TF_ENABLE_ONEDNN_OPTS"] = sys.argv[1]
tf_compat.configure(hide_gpus=True, deterministic=False)
with tf_compat.load().Session() as session:  # reads the setting once and for all
    session.run(tf_compat.load().matmul([[1.0]], [[1.0]]))
sys.exit(pytest.main(["-q", "-k", "not onednn", "-m", "not full", *sys.argv[2:]]))
"""
NUMERIC = [
    f"tests/precision/emulation/exact/test_{name}.py"
    for name in ("vector_kernels", "vector_operators", "optimizer_kernels", "cube")
]


def check_with_onednn(onednn, files):
    done = subprocess.run(
        [sys.executable, "-c", OTHER_ONEDNN, onednn, *files],
        cwd=str(Path(__file__).parents[4]),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.full
@pytest.mark.skipif(sys.version_info < (3, 8), reason="TensorFlow 1.15 has no oneDNN switch")
@pytest.mark.parametrize("onednn", ["0", "1"])
def test_all_arithmetic_holds_whatever_onednn_is(onednn):
    check_with_onednn(onednn, ["tests/precision/emulation/exact/test_rounding.py", *NUMERIC])
