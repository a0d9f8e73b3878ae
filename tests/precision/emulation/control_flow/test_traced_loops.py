"""Overflows inside while loops and functions, by operator and iteration."""

from __future__ import annotations

import numpy as np
import pytest

from lenet_exp import tf_compat
from lenet_exp.precision import assign, emulate
from lenet_exp.precision.emulation.trace import tally
from lenet_exp.precision.emulation.trace.counters import Constant, Site, Traces
from lenet_exp.precision.emulation.trace.report import Counted, as_csv, text
from tests.precision.chip import Run, session_of
from tests.precision.emulation.control_flow.test_loops import (
    BATCH,
    STEPS,
    WIDTH,
    branching,
    dynamic_rnn,
    nested,
    trained,
)
from tests.precision.emulation.test_emulate import initial_values
from tests.precision.emulation.trace.test_counters import check_same_bits
from tests.precision.small import FORCE, KEEP, MIX, floats, graph_of


def growing(tf):
    grow = lambda i, value: (i + 1, tf.multiply(value, 256.0, name="grown"))  # noqa: E731
    start = [0, floats(tf, "x", (2,))]
    return tf.while_loop(lambda i, _: i < 4, grow, start, name="loop")[1]


def growing_inside(tf):
    """Return a loop of three iterations in each of four."""
    grow = lambda j, value: (j + 1, tf.multiply(value, 4.0, name="grown"))  # noqa: E731

    def body(i, value):
        return i + 1, tf.while_loop(lambda j, _: j < 3, grow, [0, value], name="inner")[1]

    start = [0, floats(tf, "x", (2,))]
    return tf.while_loop(lambda i, _: i < 4, body, start, name="outer")[1]


def calls(build, values, mode=FORCE):
    """Return the tally of a call for each of `values`, which x is, and what was counted."""
    graph_def, fetches = graph_of(build)
    made = emulate(graph_def, assign(graph_def, mode, fetches=fetches), trace=True)
    traces = made.traces
    counted = tally.empty(traces.sites)
    with session_of(made.graph_def) as session:
        run = Run(session, made, {})
        for step, value in enumerate(values, 1):
            session.run(traces.reset)
            run(fetches, {"x:0": np.full(2, value, np.float32)})
            read = session.run([traces.counts, traces.largest, traces.iterations])
            counted = tally.added(counted, traces.sites, *read[:2], step, read[2])
    return Counted(traces, counted)


@pytest.mark.parametrize("version_2", [False, True], ids=["version 1", "version 2"])
@pytest.mark.parametrize(
    ("build", "values", "step", "iteration"),
    [
        (growing, [1], 1, (2,)),
        (growing, [2.0**-20, 2.0**-10, 1000], 2, (4,)),
        (growing, [np.inf], 1, (1,)),
        (growing_inside, [1], 1, (3, 2)),
        (growing_inside, [2.0**-30, 2.0**-4], 2, (4, 1)),
    ],
)
def test_the_first_overflow_in_a_loop_has_its_iteration(build, values, step, iteration, version_2):
    tf = tf_compat.load()
    if version_2:
        tf.enable_control_flow_v2()
    try:
        traces, counted = calls(build, values)
    finally:
        tf.disable_control_flow_v2()
    rows = [row for row in tally.rows(counted, traces.sites) if "grown" in row.site.operator]
    assert [(row.site.ge_type, row.first, row.iteration) for row in rows] == [
        ("Mul", step, iteration)
    ]


def test_the_report_says_the_iteration():
    (inner, alone), nothing = (
        (Site("outer/inner/Mul", "", "Mul", "float16"), Site("x", "", "Cast", "float16")),
        np.zeros(2, np.float32),
    )
    traces = Traces("c:0", "l:0", "r", (inner, alone), (Constant("one", 1.0, 1.0),), "i:0")
    counts = np.zeros((2, 7), np.int64)
    counts[:, 4] = 1
    seen = tally.empty(traces.sites)
    iterations = np.array([3 * 2**20 + 2, 2**62], np.int64)
    seen = tally.added(seen, traces.sites, counts, nothing, 5, iterations)
    counted = Counted(traces, seen)
    shown = text(counted, Counted(traces, tally.empty(traces.sites)), "").splitlines()
    assert shown[1] == "  first in step 5: Mul outer/inner/Mul, iteration 2 of 3"
    assert shown[3].endswith("  Mul outer/inner/Mul, iteration 2 of 3")
    assert shown[4].endswith("  Cast x")
    assert as_csv({"train": counted}).splitlines()[1].endswith(f",{3 * 2**20 + 2}")


@pytest.mark.parametrize("mode", [MIX, FORCE, KEEP])
@pytest.mark.parametrize("make", [dynamic_rnn, nested, branching])
def test_a_traced_loop_gives_the_bits_of_an_untraced_one(make, mode):
    graph_def = trained(make)
    random = np.random.RandomState(3)
    batches = [
        {"x:0": (random.randn(BATCH, STEPS, WIDTH) * size).astype(np.float32)} for size in (1, 1e6)
    ]
    check_same_bits(graph_def, ["train", "loss:0"], mode, initial_values(graph_def), batches)
