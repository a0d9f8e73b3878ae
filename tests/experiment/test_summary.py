"""A run in two lines before it, and in a block after it."""

from __future__ import annotations

import pytest

from lenet_exp.config.cli.command_line import settings_to_explain
from lenet_exp.experiment import summary

pytestmark = pytest.mark.stackless


@pytest.mark.parametrize(
    ("words", "first", "emulated"),
    [
        ([], "allow_mix_precision, loss_scale none, adam, seed 0: 5 x 1000 steps of 64", True),
        (
            ["precision=must_keep_origin_dtype", "schedule=smoke", "seed=3"],
            "must_keep_origin_dtype, loss_scale none, adam, seed 3: 1 x 20 steps of 64",
            False,
        ),
        (
            ["precision=must_keep_origin_dtype", f"precision.customize_dtypes={__file__}"],
            "must_keep_origin_dtype, loss_scale none, adam, seed 0: 5 x 1000 steps of 64",
            False,
        ),
        (
            ["loss_scale=dynamic", "optimizer=sgd", "schedule.batch_size=32"],
            "allow_mix_precision, loss_scale dynamic, sgd, seed 0: 5 x 1000 steps of 32",
            True,
        ),
    ],
)
def test_what_will_run_is_said(words, first, emulated, stack):
    lines = summary.announcement(settings_to_explain(words)).splitlines()
    assert lines[0] == f"{first} images"
    store = {"tf1": "./mlruns", "tf2": "./mlflow.db"}[stack]
    assert lines[1].startswith(f"  recorded in {store}, experiment lenet-exp; on this CPU (")
    assert lines[1].endswith(", float16 emulated") == emulated
    assert len(lines) == 2


@pytest.mark.parametrize(
    ("uri", "shown"),
    [("sqlite:///own.db", "sqlite:///own.db"), ("https://me:secret@host", "https://me:***@host")],
)
def test_a_store_of_ones_own_is_named_without_its_password(uri, shown, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert f"recorded in {shown}, " in summary.announcement(settings_to_explain([]))


def outcome(**given):
    known = {
        "settings": settings_to_explain([]),
        "on_cpu": True,
        "emulated": True,
        "device": "a CPU",
        "is_a_look": False,
        "test_images": 10000,
        "accuracy": 0.98123,
        "sec_per_step": 0.008123,
    }
    return summary.Outcome(**{**known, **given})


ALONE = [
    "accuracy 0.9812 on all 10000 test images",
    "folder   outputs/x",
    "page     outputs/x/report.html",
    "run      id",
]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {},
            [
                "mode     allow_mix_precision, float16 emulated on this CPU",
                "schedule 5 x 1000 steps of 64 images",
                "sec/step 0.00812, this CPU's and no chip's",
            ],
        ),
        (
            {"emulated": False, "is_a_look": True},
            [
                "mode     allow_mix_precision, on this CPU",
                "schedule 5 x 1000 steps of 64 images: a look, not a training",
                "sec/step 0.00812",
            ],
        ),
        (
            {"on_cpu": False, "emulated": False, "device": "Ascend 910, device 3"},
            ["mode     allow_mix_precision, on Ascend 910, device 3"],
        ),
    ],
)
def test_the_block_says_what_came_out_and_how(given, said):
    block = summary.closing_block(outcome(**given), "outputs/x", "id", [], ["mlflow ui"])
    lines = block.splitlines()
    assert {f"  {line}" for line in [*said, *ALONE]} <= set(lines)
    assert lines[-2:] == ["", "  mlflow ui"]


def test_what_is_wrong_stands_before_what_is_typed_next():
    block = summary.closing_block(outcome(), "x", "id", ["it diverged", "why: this"], ["next"])
    assert block.endswith("\n\n  it diverged\n  why: this\n\n  next")
