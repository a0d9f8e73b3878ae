"""float16's share and the differences of real plans, against the plans' own totals."""

from __future__ import annotations

import pytest

from sweeps import plan_of  # isort: skip

from lenet_exp.comparison import plan_differences
from lenet_exp.config.schema.run import PRECISION_MODES
from lenet_exp.precision.analysis.cost import totals
from lenet_exp.precision.reporting import records


def csv_of(mode):
    return plan_of((f"precision={mode}",)).csv.decode()


@pytest.mark.parametrize("mode", PRECISION_MODES)
def test_the_share_is_that_of_the_plan(mode):
    known = totals(plan_of((f"precision={mode}",)).step)
    share = plan_differences.share(csv_of(mode))
    assert share.operators == known.float16 / known.operators
    assert share.flops == known.cube_flops_float16 / known.cube_flops


def test_the_share_of_nothing_is_unknown():
    assert plan_differences.share("graph,inputs\n") is None


def test_the_operators_that_differ_are_those_that_explain_names():
    modes = ("allow_mix_precision", "force_fp16")
    plans = [plan_of((f"precision={mode}",)) for mode in modes]
    found = plan_differences.compare_plans([(mode, csv_of(mode)) for mode in modes])
    listed = [row.name for row in found.rows if row.graph == "train"]
    known = records.compare(*(records.report(plan.step) for plan in plans))
    assert {d.name for d in known.differences} == set(listed)
    assert listed
    (adam,) = [row for row in found.rows if row.name.endswith("fc_1/weight/ApplyAdam")]
    assert [types.partition(",")[0] for types in adam.types] == ["10f>fff", "10h>hhh"]


def test_configurations_of_the_same_plan_share_a_column():
    modes = ("force_fp16", "allow_mix_precision", "force_fp16")
    found = plan_differences.compare_plans([(str(n), csv_of(mode)) for n, mode in enumerate(modes)])
    assert found.labels == (("0", "2"), ("1",))
    alike = plan_differences.compare_plans(
        [("a", csv_of("force_fp16")), ("b", csv_of("force_fp16"))]
    )
    assert alike.rows == ()
    assert alike.alike == csv_of("force_fp16").count("\n") - 1
