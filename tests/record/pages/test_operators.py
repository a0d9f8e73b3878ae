"""precision.csv read back: shares, groups and colours, against the plans it was written from."""

from __future__ import annotations

import pytest

from lenet_exp.config.cli.command_line import settings_to_explain
from lenet_exp.config.schema.run import PRECISION_MODES
from lenet_exp.experiment import graphs
from lenet_exp.precision.analysis.cost import totals
from lenet_exp.precision.reporting import letters, records
from lenet_exp.record.pages import operators


@pytest.fixture(scope="module")
def plans():
    built = graphs.build_graphs(settings_to_explain(()))  # of every mode
    return {
        mode: graphs.plan(settings_to_explain((f"precision={mode}",)), built)
        for mode in PRECISION_MODES
    }


@pytest.mark.parametrize("mode", PRECISION_MODES)
def test_the_share_is_that_of_the_plan(plans, mode):
    known = totals(plans[mode].step)
    share = operators.share(plans[mode].csv.decode())
    assert share.operators == known.float16 / known.operators
    assert share.flops == known.cube_flops_float16 / known.cube_flops


def test_the_share_of_nothing_is_unknown():
    assert operators.share("graph,inputs\n") is None


@pytest.mark.parametrize("mode", PRECISION_MODES)
def test_a_plan_s_groups_hold_each_operator_once_as_explain_counts_them(plans, mode):
    table = operators.of_plan(plans[mode].csv.decode(), mode)
    step = [group for group in table.groups if group.section != "inference"]
    names = [name for group in step for name in group.names]
    assert sorted(names) == sorted(row.name for row in plans[mode].step.operators)
    explained = records.summary(records.report(plans[mode].step)).groups
    assert {(g.section, g.ge_type) for g in step} == {(g.section, g.ge_type) for g in explained}
    assert set(table.letters) <= set(letters.LETTERS)
    assert table.letters["f" if mode != "force_fp16" else "h"]


@pytest.mark.parametrize(
    ("shown", "kind"),
    [
        ("hhh>h, 2 casts", "float16"),
        ("ff>f, refused", "float32"),  # the word has letters of types too
        ("10f>fff", "float32"),
        ("hh>f, 1 cast", "both"),
        ("i>i, AI CPU", "other"),
        ("", "absent"),
    ],
)
def test_the_colour_is_that_of_the_types(shown, kind):
    assert operators.kind(shown) == kind
