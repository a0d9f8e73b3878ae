"""flush_subnormals: what is below float16's smallest normal is 0 wherever something is rounded."""

from __future__ import annotations

import numpy as np
import pytest

from tests.precision.chip import FINITE_HALVES, Chip, compute, same_bits
from tests.precision.emulation.exact.test_optimizer_kernels import (
    ADAM,
    GRADIENTS,
    adam,
    adam_op,
    descent_op,
    gradient_descent,
    momentum,
    momentum_op,
    run_update,
    tensors,
)
from tests.precision.emulation.exact.test_rounding import INPUTS, transposed
from tests.precision.emulation.exact.test_vector_kernels import binary, moderate, one_rounding
from tests.precision.emulation.exact.test_vector_operators import sigmoid, sigmoid_graph
from tests.precision.small import FORCE, MIX

FLUSH = pytest.mark.parametrize("flush", [False, True], ids=["kept", "flushed"])
SMALLEST_NORMAL = 2.0**-14


def subnormals(values):
    """Return how many float16 values are subnormal."""
    return int(((values != 0) & (np.abs(values) < SMALLEST_NORMAL)).sum())


@FLUSH
@pytest.mark.parametrize("inputs", INPUTS.values(), ids=INPUTS)
def test_a_cast_flushes(inputs, flush):
    values, chip = inputs(), Chip(flush)
    (got,), flag = compute(transposed, {"x:0": values[:, None]}, flush=flush)
    same_bits(got, chip.round(values)[None])
    assert flag is chip.flag


@FLUSH
@pytest.mark.parametrize(("op", "formula"), [("Mul", np.multiply), ("Sub", np.subtract)])
def test_operators_flush_what_they_take_and_what_they_give(op, formula, flush):
    inputs, chip = [moderate(20000, seed) for seed in range(2)], Chip(flush)
    expected = one_rounding(formula)(chip, *inputs)
    (got,), flag = compute(binary(op), dict(zip(("a:0", "b:0"), inputs)), flush=flush)
    same_bits(got, expected)
    assert flag is chip.flag
    assert (subnormals(got) == 0) is flush


@FLUSH
def test_every_step_of_a_sigmoid_flushes(flush):
    values, chip = FINITE_HALVES.astype(np.float32), Chip(flush)
    expected = sigmoid(chip, values, "today")
    (got,), _ = compute(sigmoid_graph, {"a:0": values}, flush=flush)
    same_bits(got, expected)
    assert (subnormals(got) == 0) is flush


RATES = (*ADAM[:-1], 1e-4)
UPDATES = {
    "adam": (adam_op, ("m", "v"), lambda *args: adam(*args, RATES), RATES),
    "sgd": (descent_op, (), lambda *args: gradient_descent(*args, 0.3), 0.3),
    "momentum": (
        momentum_op, ("accum",), lambda *args: momentum(*args, (0.3, 0.9)), (0.3, 0.9)
    ),
}  # fmt: skip


@FLUSH
@pytest.mark.parametrize("name", UPDATES)
def test_updates_flush_every_step(name, flush):
    op, slots, oracle, rates = UPDATES[name]
    state = (tensors(0), tensors(1), np.abs(tensors(2)) * np.float32(1e-3))[: 1 + len(slots)]
    chip, gradient = Chip(flush), GRADIENTS["moderate"] * np.float32(1e-2)
    expected = oracle(chip, state, gradient)
    got, flag = run_update(op, slots, state, gradient, False, False, flush, rates=rates)
    for one, other in zip(got, expected):
        same_bits(one, other)
    assert flag is chip.flag
    assert (sum(map(subnormals, got)) == 0) is flush


@FLUSH
def test_a_constant_that_the_compiler_converts_is_flushed_too(flush):
    def build(tf):
        return tf.placeholder(tf.float32, [3], "x") * tf.constant([2.0**-15, 2.0**-14, 1.0])

    (got,), _ = compute(build, {"x:0": np.full(3, 4, np.float32)}, FORCE, flush=flush)
    assert got.tolist() == [0 if flush else 2.0**-13, 2.0**-12, 4]


@FLUSH
def test_what_is_float32_on_the_chip_is_not_flushed(flush):
    def build(tf):
        return tf.placeholder(tf.float32, [2], "x") * tf.constant(0.5)

    (got,), _ = compute(build, {"x:0": np.full(2, 1e-6, np.float32)}, MIX, flush=flush)
    assert got.tolist() == [np.float32(5e-7)] * 2
