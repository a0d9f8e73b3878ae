"""What a page and Model Explorer are told of a plan: edges, casts, what was measured."""

from __future__ import annotations

import json

import pytest

from lenet_exp.precision.plan import Engine
from lenet_exp.precision.reporting import records
from lenet_exp.precision.reporting.edges import edges_of
from lenet_exp.precision.reporting.heat import LARGEST, Heat, first_overflows
from lenet_exp.precision.reporting.page_model import Side, page_model
from tests.precision import lenet_graph
from tests.precision.small import FORCE, KEEP, MIX, floats, halves, plan_of


def side_of(plan):
    return Side(plan, records.report(plan))


@pytest.fixture(scope="module")
def plans():
    return {mode: lenet_graph.plan_of("none", mode) for mode in (MIX, FORCE, KEEP)}


def conditional(tf):
    x = floats(tf, "x")
    made = tf.cond(
        tf.reduce_sum(x) > 0, lambda: tf.matmul(x, x, transpose_b=True), lambda: x[:, :4]
    )
    return tf.identity(made, name="made")


def looping(tf):
    return tf.while_loop(lambda x: tf.reduce_sum(x) < 9, lambda x: x * 2.0 + 1.0, [floats(tf, "x")])


@pytest.mark.parametrize(
    "plan",
    [
        *(lambda mode=mode: lenet_graph.plan_of("none", mode) for mode in (MIX, FORCE, KEEP)),
        lambda: plan_of(conditional, FORCE),
        lambda: plan_of(looping, FORCE),
    ],
    ids=["mix", "force", "keep", "conditional", "looping"],
)
def test_an_edge_has_the_type_that_its_producer_gives_or_a_cast_from_it(plan):
    made = plan()
    rows, edges = {row.name: row for row in made.operators}, edges_of(made)
    assert edges.keys() == rows.keys()
    between = 0
    for name, into in edges.items():
        assert tuple(edge.dtype for edge in into) == rows[name].inputs
        assert [slot for slot, edge in enumerate(into) if edge.cast] == [*rows[name].casts]
        for edge in into:
            if edge.producer is not None:
                given = [str(result) for result in rows[edge.producer].results]
                dtype = rows[edge.producer].outputs[given.index(edge.tensor)]
                assert dtype == (edge.cast.source if edge.cast else edge.dtype)
                between += 1
    assert between >= len(rows) // 2


def test_the_page_of_one_plan(plans):
    model = page_model([side_of(plans[MIX])])
    by_name = {each["name"]: each for each in model["operators"]}
    assert len(by_name) == len(plans[MIX].operators)
    assert [plan["title"] for plan in model["plans"]] == [f"{MIX}, CANN of today (8.1)"]
    (side,) = by_name["conv1/Conv2D"]["sides"]
    assert side["casts"] == 3
    assert (side["kind"], side["types"], side["list"]) == ("float16", "hhh>h", "white")
    assert side["parts"] == ["conv1/BiasAdd"]
    first = side["inputs"][0]
    assert (first["from"], first["tensor"], first["cast"]) == (None, "images:0", "float32")
    (sigmoid,) = by_name["conv1/Sigmoid"]["sides"]
    assert model["operators"][sigmoid["inputs"][0]["from"]]["name"] == "conv1/Conv2D"
    assert json.loads(json.dumps(model, allow_nan=False)) == model


def test_what_is_refused_has_a_kind_of_its_own(plans):
    model = page_model([side_of(plans[KEEP])])
    refused = {row.name for row in plans[KEEP].operators if row.engine is Engine.REFUSED}
    kinds = {each["name"]: each["sides"][0]["kind"] for each in model["operators"]}
    assert refused
    assert {name for name, kind in kinds.items() if kind == "refused"} == refused


def test_two_plans_side_by_side(plans):
    found = records.compare(*(records.report(plans[mode]) for mode in (MIX, FORCE)))
    sides = [Side(plans[MIX], found.first), Side(plans[FORCE], found.second)]
    changed = [each.name for each in found.differences]
    model = page_model(sides, changed)
    assert [plan["title"] for plan in model["plans"]] == [MIX, FORCE]
    marked = [each["name"] for each in model["operators"] if each["changed"]]
    assert sorted(marked) == sorted(changed)
    assert all(len(each["sides"]) == 2 for each in model["operators"])


def test_an_operator_of_one_plan_alone_is_absent_in_the_other(plans):
    half = records.report(plans[FORCE], ["conv1"])
    model = page_model([Side(plans[FORCE], half), side_of(plans[MIX])])
    sides = {each["name"]: each["sides"] for each in model["operators"]}
    assert sides["fc1/MatMul"][0] is None
    assert sides["conv1/Conv2D"][0] is not None
    # What is not shown is still named, by its tensor.
    assert model["operators"][0]["name"].startswith("conv1/")


def test_an_overflow_begins_where_nothing_in_front_has_one(plans):
    hot, cold = Heat(0.5, 0.1, 3), Heat(0.0, 0.0, 0)
    measured = dict.fromkeys((row.name for row in plans[MIX].operators), cold)
    measured.update(dict.fromkeys(("conv1/Conv2D", "conv1/Sigmoid", "fc2/MatMul"), hot))
    assert [*first_overflows(measured, edges_of(plans[MIX]))] == ["conv1/Conv2D", "fc2/MatMul"]
    measured["fc3/MatMul"] = Heat(float("inf"), 1.0, 7)
    model = page_model([side_of(plans[MIX])], measured=measured)
    heat = {each["name"]: each["heat"] for each in model["operators"]}
    assert heat["conv1/Conv2D"] == {"damage": 0.5, "lost": 0.1, "overflows": 3, "first": True}
    assert (heat["fc3/MatMul"]["damage"], heat["fc3/MatMul"]["first"]) == (LARGEST, True)
    assert heat["conv1/Sigmoid"]["first"] is False
    assert {*model["heats"]} == {"damage", "lost", "overflows"}


def test_an_operator_that_feeds_itself_can_begin(plans):
    def build(tf):
        return tf.nn.relu(halves(tf) @ halves(tf, "other", (8, 8)), name="made")

    plan = plan_of(build)
    name = next(row.name for row in plan.operators if row.name.startswith("matmul"))
    edges = edges_of(plan)
    own = edges[name][0]._replace(producer=name)
    assert [*first_overflows({name: Heat(0, 0, 1)}, {**edges, name: (own,)})] == [name]
