"""What tells the jobs of a sweep apart."""

from __future__ import annotations

import pytest

from lenet_exp.config.cli.command_line import settings_to_explain
from lenet_exp.sweep.jobs import ComposedJob, deltas, varied

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
