"""Words that make a run of given settings."""

from __future__ import annotations

import pytest

from lenet_exp.config.cli.command_line import settings_to_explain
from lenet_exp.config.run_words import words_of

pytestmark = pytest.mark.stackless


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ([], []),
        (["tracking.experiment=other"], []),
        (["optimizer=sgd"], ["optimizer=sgd"]),
        (["optimizer=adam", "optimizer.epsilon=0.001"], ["optimizer.epsilon=0.001"]),
        (
            ["seed=3", "optimizer=momentum", "optimizer.learning_rate=0.05"],
            ["optimizer=momentum", "optimizer.learning_rate=0.05", "seed=3"],
        ),
        (["hardware.cann=2021"], ["hardware.cann=2021"]),
        (["deterministic=true"], None),
        (["exclude=[fc_3]"], ["exclude=[fc_3]"]),
        (
            ["loss_scale=fixed", "loss_scale.value=64"],
            ["loss_scale=fixed", "loss_scale.value=64.0"],
        ),
        (["loss_scale=dynamic", "schedule=smoke"], None),
        (["data.path='a b,c'"], ['data.path="a b,c"']),
        (["precision=force_fp16", "precision.keep_dtype=[a,b]"], None),
        (["experiment=modelzoo_baseline"], None),
        (["experiment=force_fp16_adam"], None),
    ],
)
def test_they_make_the_same_settings(typed, words):
    settings = settings_to_explain(typed)
    found = words_of(settings)
    assert found == words or words is None
    again = settings_to_explain(found)
    plain = settings_to_explain([])
    assert vars(again) == {**vars(settings), "tracking": plain.tracking}
