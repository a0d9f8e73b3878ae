"""The phases: each a pure function, one after the other what `assign` does."""

from __future__ import annotations

import functools

import pytest

from lenet_exp.config.cli import graph_options
from lenet_exp.precision import assign
from lenet_exp.precision.planning import pipeline
from lenet_exp.precision.planning.options import read_options
from lenet_exp.precision.reporting.phases import after_phase, phase_table
from tests.precision.lenet_graph import (
    CONDITIONAL_FETCHES,
    FETCHES,
    conditional_graph,
    training_graph,
)
from tests.precision.small import ALLOW, FORCE, KEEP, MIX, floats, graph_of


@functools.lru_cache(maxsize=None)
def given(kind):
    if kind == "conditional":
        return conditional_graph(8), CONDITIONAL_FETCHES
    return training_graph("variable", batch=8), FETCHES


def begin(kind, mode):
    graph_def, fetches = given(kind)
    return pipeline.begin(graph_def, fetches, read_options(graph_def, mode))


def text(state):
    """Return everything in a state, in its order, but for the options."""
    return repr(state._replace(options=None))


@pytest.mark.parametrize(("kind", "mode"), [("plain", MIX), ("conditional", ALLOW)])
def test_every_phase_is_pure(kind, mode):
    graph_def, _ = given(kind)
    untouched = graph_def.SerializeToString(deterministic=True)
    state = begin(kind, mode)
    for phase in pipeline.PHASES:
        before = text(state)
        made = phase(state)
        assert text(state) == before, phase.__name__
        assert text(phase(state)) == text(made), phase.__name__
        state = made
    assert graph_def.SerializeToString(deterministic=True) == untouched


def test_the_phases_make_the_plan():
    graph_def, fetches = given("plain")
    plan = assign(graph_def, FORCE, fetches=fetches)
    state = pipeline.run(begin("plain", FORCE))
    assert tuple(one.row for one in state.decided) == plan.operators
    assert (state.casts, state.removed_casts) == (plan.casts, plan.removed_casts)
    assert list(state.graph.nodes) == [node.name for node in plan.graph_def.node]


def test_each_phase_adds_its_own_and_leaves_the_rest():
    states = {name: pipeline.run(begin("plain", FORCE), name) for name in pipeline.PHASE_NAMES}
    size = {name: len(state.graph.nodes) for name, state in states.items()}
    assert len(given("plain")[0].node) > size["prune"] > size["prune_again"] == size["lower"]
    assert states["fold_constants"].operators == {}
    assert len(states["lower"].operators) > len(states["fuse"].operators)
    assert not any(one.row.casts for one in states["select"].decided)
    assert not any(edge.removed for edge in states["insert_casts"].casts)
    assert len(states["eliminate_casts"].casts) == len(states["insert_casts"].casts) > 0


def test_a_second_prune_has_nothing_left_to_do():
    state = pipeline.run(begin("conditional", MIX), "prune_again")
    assert pipeline.PHASES[0](state) is state


def test_phases_have_the_names_that_can_be_typed():
    assert graph_options.PHASES == pipeline.PHASE_NAMES
    named = [name.replace("_again", "") for name in pipeline.PHASE_NAMES]
    assert [phase.__name__ for phase in pipeline.PHASES] == named


def test_what_is_merged_away_is_told_apart():
    def there_and_back(tf):
        half = tf.cast(floats(tf, "x"), tf.float16, name="there")
        return tf.cast(half, tf.float32, name="back")

    graph_def, fetches = graph_of(lambda tf: tf.exp(there_and_back(tf), name="exp"))
    state = pipeline.begin(graph_def, fetches, read_options(graph_def, KEEP))
    rows = {row["name"]: row for row in after_phase("last", pipeline.run(state)).rows}
    assert {name: row["merged"] for name, row in rows.items()} == {
        "there": ("itself",), "back": ("itself",), "exp": (),
    }  # fmt: skip
    assert "-itself" in phase_table(after_phase("last", pipeline.run(state)), 80)


def test_rows_say_what_is_known_so_far():
    keys = {}
    for name in pipeline.PHASE_NAMES:
        rows = after_phase(name, pipeline.run(begin("plain", MIX), name)).rows
        keys[name] = list(rows[0])
    assert keys["prune"] == keys["prune_again"] == ["name", "type", "types", "inputs"]
    assert keys["lower"] == keys["fuse"] == [*keys["prune"], "parts"]
    assert keys["select"] == keys["eliminate_casts"]
    assert {"rule", "casts", "merged", "reason"} < set(keys["select"])
