"""What tells the jobs of a sweep apart."""

from __future__ import annotations

import shlex

import pytest

from lenet_exp.config.cli.command_line import settings_to_explain
from lenet_exp.sweep.jobs import ComposedJob, counted, deltas, varied
from lenet_exp.sweep.launcher import _command

pytestmark = pytest.mark.stackless


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param(
            [["precision=a", "seed=0", "epochs=2"], ["precision=b", "seed=0", "epochs=2"]],
            ["precision=a", "precision=b"],
            id="what all have is left out",
        ),
        pytest.param(
            [["precision=a", "seed=0"], ["precision=a", "seed=1"], ["precision=b", "seed=0"]],
            ["precision=a,seed=0", "precision=a,seed=1", "precision=b,seed=0"],
            id="in the order of the command line",
        ),
        pytest.param([["seed=3", "sweep=mine"]], ["seed=3"], id="one job has all of it"),
        pytest.param([["sweep=mine", "fail_fast=true"]], ["the defaults"], id="nothing typed"),
    ],
)  # fmt: skip
def test_a_delta_is_what_other_jobs_have_not(words, told):
    assert deltas(words) == told


@pytest.mark.parametrize(
    ("jobs", "found"),
    [
        (["seed=1", "seed=1"], {}),
        (["seed=1", "seed=2", "seed=1"], {"seed": "1,2"}),
        (
            ["loss_scale=none", "loss_scale=fixed loss_scale.value=128"],
            {"loss_scale.name": "none,fixed", "loss_scale.value": "128.0"},
        ),
        (["threads=null", "threads=2"], {"threads": "null,2"}),
    ],
)
def test_what_is_not_alike_in_all_jobs_is_what_was_varied(jobs, found):
    composed = [ComposedJob((), settings_to_explain(words.split()), {}) for words in jobs]
    assert varied(composed) == found


TWICE = " were asked for, and some of them are the same)"


@pytest.mark.parametrize(
    ("jobs", "said"),
    [
        (["seed=1"], "1 job"),
        (["seed=1", "seed=2"], "2 jobs"),
        (["precision=fp16", "precision=force_fp16"], f"1 job (2{TWICE}"),
        (["seed=1", "seed=2", "seed=1"], f"2 jobs (3{TWICE}"),
        (["schedule.log_every=1", "schedule.log_every=2"], f"1 job (2{TWICE}"),
        (["data.path=a", "data.path=b"], "2 jobs"),
    ],
)
def test_a_job_that_is_asked_for_twice_is_one(jobs, said):
    composed = [ComposedJob((), settings_to_explain(words.split()), {}) for words in jobs]
    assert counted(composed) == said


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("precision=force_fp16,force_fp32,force_fp16", "precision=force_fp16,force_fp32"),
        ("seed=range(0,3)", "seed=range(0,3)"),
        ("hardware.extra={a:1,b:1},{a:1}", "hardware.extra={a:1,b:1},{a:1}"),
        ("-m", "-m"),
        ("data.path=", "data.path="),
    ],
)
def test_the_line_that_goes_on_names_each_value_once(typed, kept):
    assert shlex.split(_command([typed], "a-sweep", "mine"))[3:] == [kept, "sweep=a-sweep"]
