"""Sums over calls, and what a person and a program read of them."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from lenet_exp.precision.emulation.trace import tally
from lenet_exp.precision.emulation.trace.counters import COLUMNS, Constant, Site, Traces
from lenet_exp.precision.emulation.trace.report import Counted, as_csv, text

SITES = (
    Site("x", "", "Cast", "float16"),
    Site("a/Sigmoid", "exp", "Sigmoid", "float16"),
    Site("a/Sigmoid", "", "Sigmoid", "float16"),
    Site("g/product", "", "MatMulV2", "float16", "kernel"),
    Site("g/filter", "", "Conv2DBackpropFilterD", "float32", "filter"),
)


def call(**columns):
    """Return the counts of a call: 10 values at each site, all of them normal, but for these."""
    counts = np.zeros((len(SITES), len(COLUMNS)), np.int64)
    counts[:, :4] = 10
    for name, values in columns.items():
        counts[:, COLUMNS.index(name)] = values
    return counts


def tallied(*calls):
    found = tally.empty(SITES)
    for step, counts in enumerate(calls, 1):
        largest = np.arange(len(SITES), dtype=np.float32) * step
        found = tally.added(found, SITES, counts, largest, step)
    return found


CALM = call()
ROWS = {
    "nothing": ([CALM, CALM], []),
    "one": ([CALM, call(overflows=[0, 0, 0, 3, 0])], [("g/product", "", 1, 2, 3, 6.0)]),
    "by first step": (
        [call(overflows=[0, 0, 0, 1, 0]), call(overflows=[2, 0, 0, 1, 0])],
        [("g/product", "", 2, 1, 2, 6.0), ("x", "", 1, 2, 2, 0.0)],
    ),
    "in the order of a step": (
        [call(overflows=[2, 0, 0, 1, 0])],
        [("x", "", 1, 1, 2, 0.0), ("g/product", "", 1, 1, 1, 3.0)],
    ),
    "steps of an operator are counted together": (
        [call(overflows=[0, 1, 4, 0, 0]), CALM, call(overflows=[0, 0, 1, 0, 0])],
        [("a/Sigmoid", "exp", 2, 1, 6, 6.0)],
    ),
    "its part is the first of the first step": (
        [call(overflows=[0, 0, 1, 0, 0]), call(overflows=[0, 1, 0, 0, 0])],
        [("a/Sigmoid", "", 2, 1, 2, 4.0)],
    ),
    "no number": ([call(nan=[0, 0, 0, 5, 0])], [("g/product", "", 1, 1, 5, None)]),
    "numbers and none": (
        [call(nan=[0, 0, 0, 5, 0], overflows=[0, 0, 0, 1, 0])], [("g/product", "", 1, 1, 6, 3.0)]
    ),
    "float32 overflows where it is infinite": (
        [call(overflows=[0, 0, 0, 0, 9]), call(overflows=[0, 0, 0, 0, 9], infinite=[0] * 4 + [1])],
        [("g/filter", "", 1, 2, 1, 8.0)],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("calls", "expected"), ROWS.values(), ids=ROWS)
def test_rows_are_operators_by_their_first_step(calls, expected):
    found = tally.rows(tallied(*calls), SITES)
    got = [
        (row.site.operator, row.site.part, row.calls, row.first, row.values,
         None if np.isnan(row.largest) else row.largest)
        for row in found
    ]  # fmt: skip
    assert got == expected


def counted(*calls):
    traces = Traces("c:0", "l:0", "r", SITES, (Constant("epsilon", 1e-8, 0.0),))
    return Counted(traces, tallied(*calls))


def test_the_text_names_what_overflowed_first_and_what_gradients_lose():
    first = call(overflows=[0, 0, 0, 3, 0], kept=[10] * 3 + [6, 10], normal=[10] * 3 + [5, 10])
    shown = text(counted(CALM, first), counted(call(overflows=[1, 0, 0, 0, 0])), "all.csv")
    assert shown.splitlines() == [
        "overflows in 2 training steps",
        "  first in step 2: MatMulV2 g/product",
        "        steps  first step        values   largest  operator",
        "            1           2             3         6  MatMulV2 g/product",
        "overflows in 1 evaluations",
        "  evaluations  after step        values   largest  operator",
        "            1           1             1         0  Cast x",
        "gradients as float16 holds them, share of their values",
        "     is 0     lost  subnormal   largest  type     variable",
        "    20.0%    20.0%       5.0%         6  float16  kernel",
        "     0.0%     0.0%       0.0%         8  float32  filter",
        "constant epsilon: 1e-08 is 0 in float16",
    ]


def test_the_text_of_a_run_that_was_interrupted_at_once_says_so():
    assert text(counted(), counted(), "").splitlines()[0] == "overflows in 0 training steps: none"


def test_the_csv_has_a_row_for_every_site_of_every_graph():
    written = as_csv({"train": counted(CALM, call(nan=[1, 0, 0, 0, 0])), "inference": counted()})
    rows = list(csv.DictReader(io.StringIO(written)))
    assert [row["graph"] for row in rows] == ["train"] * 5 + ["inference"] * 5
    assert [row["operator"] for row in rows[:5]] == [site.operator for site in SITES]
    row = rows[0]
    assert (row["calls"], row["overflowed"], row["calls_overflowed"]) == ("2", "1", "1")
    assert (row["first_step"], row["nan"], row["values"]) == ("2", "1", "20")
