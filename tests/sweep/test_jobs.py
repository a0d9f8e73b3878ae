"""What tells the jobs of a sweep apart."""

from __future__ import annotations

import pytest

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
    ("overrides", "found"),
    [
        ([["seed=0"]], {}),
        ([["a=1", "seed=0"], ["a=1", "seed=1"]], {"seed": "0,1"}),
        (
            [["precision=x", "seed=0"], ["precision=y", "seed=0"], ["precision=x", "seed=1"]],
            {"precision": "x,y", "seed": "0,1"},
        ),
    ],
)
def test_what_the_jobs_differ_in(overrides, found):
    assert varied([ComposedJob(tuple(words), None, {}) for words in overrides]) == found
