"""Operators on other types than float32: planned with their types, and run to the same values."""

from __future__ import annotations

import contextlib
import itertools

import numpy as np
import pytest

from lenet_exp.precision import assign, emulate
from lenet_exp.precision.target.modes import Generation, Mode
from tests.precision.chip import session_of
from tests.precision.small import graph_of

NUMBERS = ("int32", "int64", "uint8", "int16", "float64")
OF_NUMBERS = {
    "add": lambda tf, x: x + x,
    "multiply": lambda tf, x: x * x,
    "less": lambda tf, x: x < x[::-1],
    "equal": lambda tf, x: tf.equal(x, x[::-1]),
    "maximum": lambda tf, x: tf.maximum(x, x[::-1]),
    "floor_division": lambda tf, x: x // tf.maximum(x, tf.ones_like(x)),
    "sum": lambda tf, x: tf.reduce_sum(x),
    "largest": lambda tf, x: tf.reduce_max(x),
    "mean": lambda tf, x: tf.reduce_mean(tf.to_float(x)),
    "argmax": lambda tf, x: tf.argmax(x),
    "slice": lambda tf, x: tf.slice(x, [1], [2]),
    "part": lambda tf, x: x[1:3],
    "gather": lambda tf, x: tf.gather(x, [2, 0]),
    "chosen": lambda tf, x: tf.where(x < x[::-1], x, x[::-1]),
    "joined": lambda tf, x: tf.concat([x, x], 0),
    "stacked": lambda tf, x: tf.stack([x, x]),
    "taken apart": lambda tf, x: tf.unstack(x)[1],
    "split": lambda tf, x: tf.split(x, 2)[1],
    "tiled": lambda tf, x: tf.tile(x, [2]),
    "turned": lambda tf, x: tf.transpose(tf.stack([x, x])),
    "padded": lambda tf, x: tf.pad(x, [[1, 1]]),
    "shaped": lambda tf, x: tf.reshape(x, [2, 2]),
    "one more": lambda tf, x: tf.expand_dims(x, 1),
    "one less": lambda tf, x: tf.squeeze(tf.stack([x])),
    "shape": lambda tf, x: tf.shape(x),
    "size": lambda tf, x: tf.raw_ops.Size(input=x),
    "rank": lambda tf, x: tf.raw_ops.Rank(input=x),
    "zeros": lambda tf, x: tf.zeros_like(x),
    "branch": lambda tf, x: tf.cond(tf.reduce_sum(tf.to_float(x)) > 1.0, lambda: x, lambda: x + x),
    "on and off": lambda tf, x: tf.one_hot(tf.to_int32(x), 4),
    "mask": lambda tf, x: tf.sequence_mask(tf.to_int32(x), 4, dtype=x.dtype),
}
VALUES = [0, 3, 1, 2]


def build(tf):
    """Return a tensor of every operator on every type that this TensorFlow has it for."""
    made = []
    for dtype in NUMBERS:
        x = tf.placeholder(dtype, [4], dtype)
        for what, make in OF_NUMBERS.items():
            with contextlib.suppress(TypeError):
                made.append(tf.identity(make(tf, x), f"{dtype}_{what.replace(' ', '_')}"))
    flags = tf.placeholder(tf.bool, [4], "flags")
    made.append(tf.reduce_any(tf.logical_and(flags, tf.logical_not(flags[::-1])), name="any"))
    made.append(tf.reduce_sum(tf.to_int64(flags), name="how_many"))
    return made


def run(graph_def, names, reset=None):
    with session_of(graph_def) as session:
        if reset:
            session.run(reset)
        feeds = {f"{dtype}:0": np.array(VALUES, dtype) for dtype in NUMBERS}
        return session.run(names, {**feeds, "flags:0": [True, False, True, True]})


@pytest.fixture(scope="module")
def graph():
    """The GraphDef, the names of its ends, and the values that TensorFlow computes."""
    graph_def, names = graph_of(build)
    return graph_def, names, run(graph_def, names)


QUICK = {
    (
        mode,
        Generation.FEBRUARY_2021
        if mode in (Mode.FORCE_FP16, Mode.FORCE_FP32)
        else Generation.TODAY,
    )
    for mode in Mode
}


def rows():
    for each in itertools.product(Mode, Generation):
        yield pytest.param(*each, marks=[] if each in QUICK else pytest.mark.full)


@pytest.mark.parametrize(("mode", "generation"), rows())
def test_types_that_no_mode_narrows_run_as_they_are(graph, mode, generation):
    graph_def, names, wanted = graph
    plan = assign(graph_def, mode, fetches=names, generation=generation)
    for row in plan.operators:
        pairs = zip((*row.inputs, *row.outputs), (*row.origin_inputs, *row.origin_outputs))
        assert all(now == was for now, was in pairs if was != "float32"), row
        assert row.rule not in ("unknown", "refused"), row
    made = emulate(graph_def, plan)
    for name, value, want in zip(names, run(made.graph_def, names, made.reset), wanted):
        np.testing.assert_array_equal(value, want, err_msg=name)
        assert value.dtype == want.dtype
