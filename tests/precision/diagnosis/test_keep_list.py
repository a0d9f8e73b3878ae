"""What stays float32 has the operator that made the error, and nothing too much."""

from __future__ import annotations

import pytest

from lenet_exp.precision import assign
from lenet_exp.precision.diagnosis.errors import diagnose
from lenet_exp.precision.diagnosis.front import Point, front, recommended
from lenet_exp.precision.diagnosis.keep_list import (
    GROUPINGS,
    KeepList,
    checked_file,
    customize_dtypes,
    keep_list,
    mixlist,
)
from lenet_exp.precision.diagnosis.measures import Error
from tests.precision.diagnosis.planted import FAULTS, network
from tests.precision.small import FORCE, MIX

TARGET = 0.999
EXACT = Error(1.0, 0.0, 0.0, 1, 0, 0, 1.0)


def found_for(fault, seed, mode=FORCE, by="name"):
    """Return the keep list, and whether a list holds, measured anew."""
    graph_def, fetches, values, feeds = network(fault, seed)

    def planner(names):
        return assign(graph_def, mode, fetches=fetches, keep_dtype=names)

    def holds(names):
        made = diagnose(planner(names), values, feeds)
        left = [each.own.cosine for each in made.updates]
        return min(made.gradient.cosine, *left) >= TARGET

    plain = diagnose(planner(()), values, feeds)
    return keep_list(planner, plain, values, feeds, TARGET, 100, by=by), holds


@pytest.mark.parametrize(
    ("fault", "seed"),
    [
        (FAULTS[0], 1),
        *(pytest.param(each, 1, marks=pytest.mark.full) for each in FAULTS[1:]),
    ],
)
def test_the_planted_operator_stays_and_nothing_is_too_much(fault, seed):
    kept, holds = found_for(fault, seed)
    assert kept.holds
    assert kept.is_minimal
    assert any("planted" in name for name in kept.names)
    assert holds(kept.names)
    for gone in kept.names:
        assert not holds(tuple(name for name in kept.names if name != gone))
    content = customize_dtypes(kept.plan, kept.names)
    graph_def, fetches, _, _ = network(fault, seed)

    def by_lines(text):
        return assign(graph_def, FORCE, fetches=fetches, customize_dtypes=text)

    assert checked_file(by_lines, content, kept.plan)


@pytest.mark.parametrize("by", [pytest.param("type", marks=pytest.mark.full), "scope"])
def test_whole_groups_stay_and_none_is_too_much(by):
    kept, holds = found_for(FAULTS[0], 1, by=by)
    rows = {row.name: row for row in kept.plan.operators}
    group = {name: GROUPINGS[by](rows[name]) for name in kept.names}
    assert kept.holds
    assert kept.is_minimal
    assert {*group.values()} == {*kept.groups}
    assert any("planted" in name for name in kept.names)
    for gone in kept.groups:
        assert not holds(tuple(name for name in kept.names if group[name] != gone))


def test_an_operator_s_groups():
    graph_def, fetches, _, _ = network(FAULTS[0], 1)
    plan = assign(graph_def, MIX, fetches=fetches)
    (row,) = (row for row in plan.operators if row.name == "planted/softmax")
    found = {by: group_of(row) for by, group_of in GROUPINGS.items()}
    assert found == {"name": row.name, "type": "SoftmaxV2", "scope": "planted"}
    (row,) = (row for row in plan.operators if row.name == "loss")
    assert GROUPINGS["scope"](row) == "loss"


def test_a_type_of_which_all_stay_is_one_line():
    graph_def, fetches, _, _ = network(FAULTS[0], 1)
    plain = assign(graph_def, MIX, fetches=fetches)
    names = [row.name for row in plain.operators if row.ge_type == "BiasAddGrad"]
    kept = assign(graph_def, MIX, fetches=fetches, keep_dtype=names)
    lines = customize_dtypes(kept, names).splitlines()
    assert lines == ["OpType::BiasAddGrad:InputDtype:float32,OutputDtype:float32"]
    assert mixlist(kept, names) == {"black-list": {"to-add": ["BiasAddGrad"]}}
    assert mixlist(kept, names[:1]) is None or len(names) == 1


def point(mode, error=0.0, cube=1.0, moved=10, refused=(), ai_cpu=(), holds=True):
    kept = KeepList((), None, EXACT, 1.0, holds, True, 0)
    return Point(mode, kept, error, cube, 0.5, moved, 0, refused, ai_cpu)


@pytest.mark.parametrize(
    ("points", "best", "edge"),
    [
        ([point("a"), point("b", moved=9)], "b", "b"),
        ([point("a", cube=0.5, moved=1), point("b")], "b", "ab"),
        ([point("a", error=0.5, holds=False, moved=1), point("b")], "b", "ab"),
        ([point("a", refused=("Conv2D",), moved=1), point("b")], "b", "b"),
        ([point("a", ai_cpu=("MaxPool",), moved=1), point("b")], "b", "ab"),
        ([point("a", refused=("Conv2D",))], None, ""),
        ([point("a", error=1e-7), point("b", error=3e-7, moved=9)], "b", "b"),
    ],
)
def test_what_the_chip_refuses_is_never_recommended(points, best, edge):
    found = recommended(points)
    assert (found and found.mode) == best
    assert "".join(each.mode for each in front(points)) == edge
