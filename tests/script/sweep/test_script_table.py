"""Runs of scripts side by side, and beside runs of ours."""

import math

import pytest

from lenet_exp.comparison.runs import Recorded, SelectedRuns
from lenet_exp.comparison.scripts.table import are_scripts, rows, text, without_scripts

pytestmark = pytest.mark.stackless
SCRIPT = {"script": "x.py"}


def _run(number, mode="force_fp16", tags=SCRIPT, status="FINISHED", **metrics):
    params = {"precision": mode}
    return Recorded(str(number), "", status, number, params, dict(tags), metrics, "")


def test_runs_of_scripts_are_told_from_ours():
    ours, script = _run(1, tags={}), _run(2)
    both = SelectedRuns("x", (ours, script), None)
    assert not are_scripts(both)
    assert without_scripts(both).runs == (ours,)
    assert are_scripts(SelectedRuns("x", (script,), None))


def test_a_number_of_steps_has_all_its_digits_and_a_loss_may_be_infinite():
    (row,) = rows(
        [_run(1, steps=16384.0, loss=math.inf, skipped_steps=1234567.0, loss_scale=2.0**15)]
    )
    shown = text([row]).splitlines()[1].split()
    assert shown == ["force_fp16", "FINISHED", "16384", "inf", "-", "1234567", "2^15", "-", "-"]


def test_the_table_has_the_last_of_equal_jobs_and_why_one_failed():
    plain, mode = {**SCRIPT, "config_hash": "a"}, {**SCRIPT, "config_hash": "b"}
    made = rows([
        _run(3, tags={**mode, "error": "old"}, sec_per_step=3.0, steps=2.0, loss=1.5),
        _run(2, tags={**mode, "error": "ValueError: x"}, status="FAILED"),
        _run(1, "must_keep_origin_dtype", plain, sec_per_step=1.5),
    ])  # fmt: skip
    assert [(row.run, row.cost, row.error) for row in made] == [
        ("must_keep_origin_dtype", 1.0, ""), ("force_fp16", 2.0, ""),
    ]  # fmt: skip
    shown = text(made)
    assert "FINISHED  2      1.5" in shown
    assert "nothing is emulated" in shown
    other = _run(4, tags={**SCRIPT, "config_hash": "c"})
    assert [row.run for row in rows([_run(3, tags=mode), other])] == ["force_fp16", "force_fp16 #2"]
    failed = rows([_run(1, tags={**mode, "error": "ValueError: x"}, status="FAILED")])
    assert text(failed).endswith("force_fp16: ValueError: x")
