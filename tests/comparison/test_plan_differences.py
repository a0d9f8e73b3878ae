"""The differences of real plans, against what `explain` says."""

from __future__ import annotations

from sweeps import plan_of  # isort: skip

from lenet_exp.comparison import plan_differences
from lenet_exp.precision.reporting import records


def csv_of(mode):
    return plan_of((f"precision={mode}",)).csv.decode()


def test_the_operators_that_differ_are_those_that_explain_names():
    modes = ("allow_mix_precision", "force_fp16")
    plans = [plan_of((f"precision={mode}",)) for mode in modes]
    found = plan_differences.compare_plans([(mode, csv_of(mode)) for mode in modes])
    listed = [row.name for row in found.rows if row.section != "inference"]
    known = records.compare(*(records.report(plan.step) for plan in plans))
    assert {d.name for d in known.differences} == set(listed)
    assert listed
    (adam,) = [row for row in found.rows if row.name.endswith("fc_1/weight/ApplyAdam")]
    assert [types.partition(",")[0] for types in adam.types] == ["10f>fff", "10h>hhh"]


def test_configurations_of_the_same_plan_share_a_column():
    modes = ("force_fp16", "allow_mix_precision", "force_fp16")
    found = plan_differences.compare_plans([(str(n), csv_of(mode)) for n, mode in enumerate(modes)])
    assert found.table.labels == (("0", "2"), ("1",))
    alike = plan_differences.compare_plans(
        [("a", csv_of("force_fp16")), ("b", csv_of("force_fp16"))]
    )
    assert alike.rows == ()
    assert alike.alike == csv_of("force_fp16").count("\n") - 1


def test_operators_that_differ_alike_are_one_group():
    modes = ("must_keep_origin_dtype", "force_fp16")
    table = plan_differences.compare_plans([(mode, csv_of(mode)) for mode in modes]).table
    sections = [group.section for group in table.groups]
    assert list(dict.fromkeys(sections)) == ["forward", "backward", "update", "inference"]
    assert sections == sorted(sections, key=["forward", "backward", "update", "inference"].index)
    adam = [group for group in table.groups if group.ge_type == "ApplyAdamD"]
    assert sum(len(group.names) for group in adam) == 10
    assert len(adam) < 10
    for group in adam:
        assert [types.partition(",")[0] for types in group.types] == ["10f>fff", "10h>hhh"]
