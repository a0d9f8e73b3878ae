"""What is said of one operator holds: its change flips it, and no smaller one does."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lenet_exp.errors import LenetExpError
from lenet_exp.precision import assign, verdict
from lenet_exp.precision.decisions.changes import Kind
from lenet_exp.precision.decisions.flips import decision, is_fixed, is_half
from tests.precision.planning.test_random_graphs import (
    MODES,
    STEPS,
    columns_of,
    common,
    recipes,
    training_graph,
)
from tests.precision.small import FORCE, MIX, floats, graph_of, halves

FETCHES = ("train", "loss")
few = st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 100)), min_size=1,
               max_size=4)  # fmt: skip


def written(kind, entry):
    """Return the options of `assign` that a person who reads a change types."""
    if kind in (Kind.LINE, Kind.TYPE_LINE):
        return {"customize_dtypes": entry}
    if kind in (Kind.NAME, Kind.SCOPE):
        return {"keep_dtype": [entry]}
    return {"modify_mixlist": json.loads(entry)} if kind is Kind.LIST else {"mode": entry}


def planned(graph_def, options):
    """Return the plan; None where the vendor takes no such option."""
    try:
        plan = assign(graph_def, **{"fetches": FETCHES, **options})
    except LenetExpError:
        return None
    return plan


def types(plan):
    return {row.name: (row.inputs, row.outputs) for row in plan.operators}


def check_applied(recipe, mode, place):
    """Check each change of one operator: applied as it is printed it does what is said."""
    graph_def = training_graph(recipe)
    plan = assign(graph_def, mode, fetches=FETCHES)
    rows = plan.operators
    row = rows[place % len(rows)]
    found = decision(graph_def, FETCHES, {"mode": mode}, row.name)
    assert found.row == row
    assert found.chain[-1].phase in ("list", "kernel", "graph", "select", "lower", "fuse")
    sizes = [flip.changed for flip in found.flips]
    assert sizes == sorted(sizes)
    for flip in found.flips:
        made = planned(graph_def, {"mode": mode, **written(flip.change.kind, flip.change.entry)})
        after = next(each for each in made.operators if each.name == row.name)
        assert is_half(after) is not is_half(row), flip
        assert (after.inputs, after.outputs) == (flip.inputs, flip.outputs)
        here, there = types(plan), types(made)
        assert sum(here[name] != there[name] for name in here) == flip.changed
        assert {*verdict(made).refused} <= {*verdict(plan).refused}


def every_change(plan, mode):
    """Yield all that can be written as one entry, of any operator of a graph."""
    for row in plan.operators:
        for inputs, outputs in columns_of(row, "today"):
            line = f"InputDtype:{','.join(inputs)},OutputDtype:{','.join(outputs)}"
            yield {"customize_dtypes": f"{row.name}::{line}"}
            yield {"customize_dtypes": f"OpType::{row.ge_type}:{line}"}
        scopes = row.name.split("/")
        for depth in range(1, len(scopes) + 1):
            yield {"keep_dtype": ["/".join(scopes[:depth])]}
    for name in dict.fromkeys(row.ge_type for row in plan.operators):
        for colour in ("white", "black"):
            for change in ("to-add", "to-remove"):
                yield {"modify_mixlist": {f"{colour}-list": {change: [name]}}}
    for other in MODES:
        yield {"mode": other}


def check_exhaustively(graph_def, fetches, mode):
    """Check that of all changes none that flips an operator changes fewer than the first one."""
    plan = assign(graph_def, mode, fetches=fetches)
    here, least = types(plan), {}
    rows = {row.name: row for row in plan.operators}
    seen = {}
    for options in every_change(plan, mode):
        seen.setdefault(json.dumps(options), options)
    for options in seen.values():
        made = planned(graph_def, {"mode": mode, "fetches": fetches, **options})
        if made is None or not {*verdict(made).refused} <= {*verdict(plan).refused}:
            continue
        there = types(made)
        size = sum(here[name] != there[name] for name in here)
        for row in made.operators:
            if is_half(row) is not is_half(rows[row.name]):
                least[row.name] = min(size, least.get(row.name, size))
    for row in plan.operators:
        if not is_fixed(row):
            found = decision(graph_def, fetches, {"mode": mode}, row.name)
            first = found.flips[0].changed if found.flips else None
            assert first == least.get(row.name), (mode, row.name)


modes = st.sampled_from(MODES)


@settings(common, max_examples=2)
@given(recipes, modes, st.integers(0, 1000))
def test_a_printed_change_flips_the_operator(recipe, mode, place):
    check_applied(recipe, mode, place)


@pytest.mark.full
@settings(common, max_examples=100)
@given(recipes, modes, st.integers(0, 1000))
def test_a_printed_change_flips_the_operator_at_length(recipe, mode, place):
    check_applied(recipe, mode, place)


def small(tf):
    inside = tf.sigmoid(halves(tf, "net/product") + floats(tf, "x"), "net/sigmoid")
    return tf.reduce_mean(inside * inside, name="loss")


@pytest.mark.parametrize("mode", [MIX, FORCE])
def test_no_smaller_change_does(mode):
    check_exhaustively(*graph_of(small), mode)


@pytest.mark.full
@settings(common, max_examples=15)
@given(few, modes)
def test_no_smaller_change_does_at_length(recipe, mode):
    check_exhaustively(training_graph(recipe), FETCHES, mode)
