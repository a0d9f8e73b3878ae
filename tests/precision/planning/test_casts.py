"""Casts of the graph itself: every pair of types, in every mode, planned and run."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from lenet_exp.precision import assign, emulate
from lenet_exp.precision.target.modes import Generation, Mode
from tests.precision.chip import session_of
from tests.precision.small import FORCE, KEEP, MIX, cell, cells, graph_of, halves

TYPES = (
    "bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64",
    "bfloat16", "uint16",
)  # fmt: skip
# What an AI core of either generation casts; what of them only today's does.
AI_CORE = {
    "float16": ("float32", "int32", "uint8"),
    "float32": ("float16", "int32"),
    "int32": ("float16", "float32", "int8", "uint8", "bool"),
    "int8": ("float16", "float32", "int32"),
    "uint8": ("float16", "float32", "int32"),
    "bool": ("float16", "float32", "int32", "uint8"),
}
TODAY = {
    "float16": ("bool", "int8"),
    "float32": ("bool",),
    "int64": ("int32", "float16", "bool", "uint8"),
    "int32": ("int64",),
    "uint8": ("int64",),
    "bool": ("int64",),
}
VALUES = [0, 1, 3]


def all_pairs(tf):
    values = {source: tf.placeholder(source, [3], source) for source in TYPES}
    return [
        tf.raw_ops.Cast(x=values[source], DstT=target, name=f"{source}_to_{target}")
        for source, target in itertools.product(TYPES, TYPES)
    ]


def values_of(graph_def, names, feeds, reset=None):
    """Return the tensors of one run; `feeds` by name."""
    with session_of(graph_def) as session:
        if reset:
            session.run(reset)
        tensors = {session.graph.get_tensor_by_name(f"{name}:0"): v for name, v in feeds.items()}
        typed = {t: np.array(v, t.dtype.as_numpy_dtype) for t, v in tensors.items()}
        return session.run(names, typed)


def both(graph_def, plan, names, feeds):
    """Return what a graph computes, and what it does as emulated under a plan."""
    made = emulate(graph_def, plan)
    plain = values_of(graph_def, names, feeds)
    return plain, values_of(made.graph_def, names, feeds, made.reset)


@pytest.mark.parametrize("generation", list(Generation))
@pytest.mark.parametrize("mode", list(Mode))
def test_every_cast_keeps_its_types_and_runs(mode, generation):
    graph_def, names = graph_of(all_pairs)
    plan = assign(graph_def, mode, fetches=names, generation=generation)
    rows = {row.name: row for row in plan.operators}
    added = TODAY if generation is Generation.TODAY else {}
    assert not [name for name in (f"{each}_to_{each}" for each in TYPES) if name in rows]
    for source, target in itertools.permutations(TYPES, 2):
        row = rows[f"{source}_to_{target}"]
        assert (row.inputs, row.outputs, row.casts) == ((source,), (target,), ())
        on_the_core = (*AI_CORE.get(source, ()), *added.get(source, ()))
        engine = "ai_core" if target in on_the_core else "ai_cpu"
        assert (row.name, row.engine) == (row.name, engine)
    plain, emulated = both(graph_def, plan, names, dict.fromkeys(TYPES, VALUES))
    for name, want, value in zip(names, plain, emulated):
        np.testing.assert_array_equal(value.astype("f8"), want.astype("f8"), err_msg=name)


@pytest.mark.parametrize("mode", list(Mode))
def test_a_mask_of_a_sequence_s_lengths(mode):
    def build(tf):
        lengths = tf.placeholder(tf.int32, [3], "int32")
        mask = tf.cast(tf.sequence_mask(lengths, 5), tf.float32)
        return tf.multiply(mask, 2.0, name="masked")

    graph_def, names = graph_of(build)
    plan = assign(graph_def, mode, fetches=names)
    assert not [row for row in plan.operators if row.ge_type == "Cast" and "int32" in row.outputs]
    plain, emulated = both(graph_def, plan, names, {"int32": VALUES})
    np.testing.assert_array_equal(emulated, plain)


def test_a_cast_that_casts_nothing_is_looked_through():
    def build(tf):
        same = tf.raw_ops.Cast(x=halves(tf), DstT=tf.float32, name="same")
        return tf.sigmoid(same, "end")

    assert cells(build)["end"] == "Sigmoid h>h gray"


@pytest.mark.parametrize("mode", [MIX, FORCE, KEEP])
@pytest.mark.parametrize("generation", list(Generation))
def test_a_step_counter_is_cast_to_float32_on_the_ai_cpu(mode, generation):
    def build(tf):
        return tf.to_float(tf.placeholder(tf.int64, [], "step"), name="as_float")

    row = assign(*(graph_of(build)[0], mode), generation=generation).operators[0]
    assert cell(row) == "Cast l>f ai_cpu"
    assert row.reason.startswith("AI CPU: no AI core kernel ")
