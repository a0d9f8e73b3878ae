"""A recommendation and float32 as the words of one sweep."""

from __future__ import annotations

import shlex

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from lenet_exp.commands.advice.check import sweep_words
from lenet_exp.config.cli.listed_jobs import as_hydra_sweeps

pytestmark = pytest.mark.stackless
KEPT = "precision=force_fp16 precision.customize_dtypes=advice/customize_dtypes.txt"
SCALED = "loss_scale=fixed loss_scale.value=4096"


@pytest.mark.parametrize(
    ("line", "seed", "jobs", "others"),
    [
        (
            f"{KEPT} {SCALED} optimizer=momentum schedule.epochs=1",
            0,
            [
                {
                    "precision": "force_fp16",
                    "precision.customize_dtypes": "advice/customize_dtypes.txt",
                    "loss_scale": "fixed",
                    "loss_scale.value": 4096,
                },
                {"precision": "must_keep_origin_dtype", "loss_scale": "none"},
            ],
            ["seed=0,1,2", "optimizer=momentum", "schedule.epochs=1"],
        ),
        (
            "precision=force_fp16 'precision.keep_dtype=[a/b,c]' seed=7",
            7,
            [
                {"precision": "force_fp16", "precision.keep_dtype": ["a/b", "c"]},
                {"precision": "must_keep_origin_dtype", "loss_scale": "none"},
            ],
            ["seed=7,8,9"],
        ),
    ],
)
def test_both_are_jobs_of_one_sweep(line, seed, jobs, others):
    words = sweep_words(shlex.split(line), seed)
    assert [word for word in words if not word.startswith(("jobs=", "sweep="))] == others
    parse = OverridesParser.create().parse_override
    read = parse(as_hydra_sweeps(words[:1], parse)[0])
    assert list(read.sweep_iterator()) == jobs


def test_the_same_advice_goes_on_with_the_same_sweep():
    words = ["precision=force_fp16", "loss_scale=none"]
    assert sweep_words(words, 0) == sweep_words(words, 0)
    assert sweep_words(words, 0)[-1] != sweep_words(words, 1)[-1]
    assert sweep_words(words, 0)[-1].startswith("sweep=advice-")
