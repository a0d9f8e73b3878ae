"""Operators in groups: which there are, what they add up to, and that opening one shows them."""

from __future__ import annotations

import json

import pytest

from lenet_exp.precision.reporting import records
from lenet_exp.precision.reporting.group_tables import group_table, grouped_comparison_table
from lenet_exp.precision.reporting.groups import (
    Grouping,
    grouped,
    grouped_comparison,
    read_grouping,
)
from tests.precision import lenet_graph
from tests.precision.small import FORCE, KEEP, MIX, floats, plan_of


@pytest.fixture(scope="module")
def plans():
    return {mode: lenet_graph.plan_of("none", mode) for mode in (MIX, FORCE, KEEP)}


def by_name(groups):
    return {group.name: group for group in groups}


@pytest.mark.parametrize(
    ("text", "grouping"),
    [("scope", ("scope", None)), ("scope:2", ("scope", 2)), ("type", ("type", None))],
)
def test_a_grouping_is_read(text, grouping):
    assert read_grouping(text) == Grouping(*grouping)


def test_the_groups_of_a_depth(plans):
    found = by_name(grouped(records.report(plans[MIX]), Grouping("scope", 1)).groups)
    assert {name: group.operators for name, group in found.items()} == {
        "conv1": 3, "conv2": 3, "fc1": 2, "fc2": 2, "fc3": 1, "flatten": 1, "gradients": 23,
        "train": 14, "xent": 4, "loss": 1, ".": 1,
    }  # fmt: skip
    # 12.04 + 1.29 + 0.11 and their two gradients, two of conv2's 60.21, one of conv1's 15.05
    assert found["gradients"].flops == 2 * (12_042_240 + 1_290_240 + 107_520 + 60_211_200) + (
        15_052_800
    )
    assert found["conv2"].flops_share == pytest.approx(60_211_200 / 251_059_200)
    assert (found["conv1"].float16, found["conv1"].casts, found["train"].float16) == (3, 3, 0)


def test_deeper_groups_keep_what_is_directly_in_a_scope_apart(plans):
    found = by_name(grouped(records.report(plans[MIX]), Grouping("scope", 2)).groups)
    assert (found["train/."].operators, found["train/update_fc1"].operators) == (4, 2)
    assert "train" not in found


@pytest.mark.parametrize("grouping", ["scope", "scope:1", "scope:2", "scope:9", "type"])
@pytest.mark.parametrize("mode", [MIX, KEEP])
def test_opening_a_group_shows_as_many_operators_as_it_counts(plans, grouping, mode):
    read = grouped(records.report(plans[mode]), read_grouping(grouping))
    assert sum(group.operators for group in read.groups) == 55
    for group in read.groups:
        opened = records.report(plans[mode], [f"{read.by}:{group.name}"])
        assert (group.name, len(opened.records)) == (group.name, group.operators)
        assert opened.totals.float16 == group.float16
        assert opened.totals.moved_bytes == group.moved_bytes


def test_without_a_depth_the_largest_scopes_are_opened_while_a_screen_holds_them():
    def build(tf):
        with tf.name_scope("net"):
            for block in range(3):
                with tf.name_scope(f"block{block}"):
                    for layer in range(9 if block else 40):
                        with tf.name_scope(f"layer{layer}"):
                            tf.sigmoid(tf.placeholder(tf.float32, [2]))
        with tf.name_scope("loss"):
            return [tf.sigmoid(floats(tf, "x"))]

    read = records.report(plan_of(build, fetches=()))
    groups = grouped(read, Grouping("scope")).groups
    names = [group.name for group in groups]
    assert "net/block0" in names  # its 40 layers are more than a screen
    assert {"net/block1/layer8", "net/block2/layer8", "loss"} <= {*names}
    assert len(names) == 20


def test_what_the_chip_refuses_comes_first_then_the_arithmetic_then_the_bytes(plans):
    groups = grouped(records.report(plans[KEEP]), Grouping("scope", 2)).groups
    keys = [(-group.refused, -group.flops, -group.moved_bytes) for group in groups]
    assert keys == sorted(keys)
    assert [group.name for group in groups[:2]] == ["gradients/conv2", "conv2"]
    assert [group.refused for group in groups[:5]] == [2, 1, 1, 1, 0]


def test_a_comparison_counts_what_differs_of_how_many(plans):
    first, second = (records.report(plans[mode]) for mode in (MIX, FORCE))
    found = records.compare(first, second)
    groups = grouped_comparison(found, Grouping("type")).groups
    assert sum(group.differ for group in groups) == len(found.differences)
    adam = by_name(groups)["ApplyAdamD"]
    assert tuple(adam)[1:] == (10, 10, 0, 10, 3, 97, 0, 0)
    assert by_name(groups)["Reshape"][1:3] == (1, 6)
    differ = [group.differ for group in groups]
    assert differ == sorted(differ, reverse=True)


def test_a_group_that_one_side_refuses_comes_first(plans):
    found = records.compare(*(records.report(plans[mode]) for mode in (MIX, KEEP)))
    groups = grouped_comparison(found, Grouping("type")).groups
    refused = [group.first_refused + group.second_refused for group in groups]
    assert refused == sorted(refused, reverse=True)
    assert found.differences[0].second.refused
    sides = [difference.second.refused for difference in found.differences]
    assert sides == sorted(sides, reverse=True)


@pytest.mark.parametrize("width", [10, 48, 60, 100])
@pytest.mark.parametrize("grouping", ["scope", "scope:3", "type"])
def test_the_tables_fit_and_say_how_to_open_a_group(plans, width, grouping):
    first, second = (records.report(plans[mode]) for mode in (KEEP, MIX))
    asked, found = read_grouping(grouping), records.compare(first, second)
    for text in (
        group_table(grouped(first, asked), width),
        grouped_comparison_table(found, grouped_comparison(found, asked), width),
    ):
        assert max(map(len, text.splitlines())) <= max(width, 48)
        assert not [line for line in text.splitlines() if line != line.rstrip()]
        assert f"to open a group: only={asked.by}:" in " ".join(text.split())
        assert "refused" in text


def test_the_table_shows_what_a_group_adds_up_to(plans):
    lines = group_table(grouped(records.report(plans[MIX]), Grouping("type")), 100).splitlines()
    (head,) = [line for line in lines if "GE type" in line]
    assert head.split() == ["n", "float16", "casts", "MB", "FLOP", "GE", "type"]
    (row,) = [line for line in lines if line.endswith("  MatMulV2")]
    # float16: products of 151 936, 23 136 and 6 856 values, each with two gradients, and biases
    assert row.split() == ["9", "9", "9", "1.09", "16.1", "%", "MatMulV2"]


def test_a_narrowed_report_in_groups(plans):
    read = grouped(records.report(plans[MIX], ["float16"]), Grouping("type"))
    assert "33 of 55 operators (only=float16)" in group_table(read, 100)
    nothing = grouped(records.report(plans[MIX], ["refused"]), Grouping("type"))
    assert nothing.groups == ()
    assert "no operator has the rule refused" in group_table(nothing, 100)


def test_plans_that_are_alike_have_no_groups(plans):
    read = records.report(plans[MIX])
    found = records.compare(read, read)
    text = grouped_comparison_table(found, grouped_comparison(found, Grouping("scope")), 100)
    assert "every operator has the same types and casts" in " ".join(text.split())


def test_groups_as_data(plans):
    read = grouped(records.report(plans[KEEP]), Grouping("scope", 1))
    shown = json.loads(records.as_json(read))
    assert shown["groups"][0]["name"] == "gradients"
    assert shown["fetches"] == ["train", "loss/Mean"]
    head, first = records.as_csv(read.groups).splitlines()[:2]
    assert head.startswith("name,operators,float16,casts,refused,moved_bytes,flops")
    assert first.startswith("gradients,23,0,0,3,")
