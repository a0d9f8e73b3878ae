"""A repetition is the same in every bit, or what differs is named."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from lenet_exp.comparison import repetition
from lenet_exp.comparison.repetition import RunResult
from lenet_exp.errors import DataError
from lenet_exp.record.store.journal import Journal

pytestmark = pytest.mark.stackless


def outcome(changes=None, classes=(1, 2, 3), **conditions):
    metrics = {("loss", 10): 2.5, ("loss", 20): math.nan, ("accuracy", -1): 0.5, **(changes or {})}
    kept = {key: value for key, value in metrics.items() if value is not None}
    return RunResult(kept, np.array(classes, np.uint8), {"python": "3.7", **conditions})


@pytest.mark.parametrize(
    ("now", "results", "conditions"),
    [
        pytest.param(outcome(), [], [], id="nothing"),
        pytest.param(
            outcome({("loss", 10): float(np.nextafter(2.5, 3))}),
            ["loss at step 10: 2.5 then, 2.5000000000000004 now"], [], id="the last bit",
        ),
        pytest.param(
            outcome({("loss", 10): 2.0, ("loss", 20): 1.0}),
            ["loss at step 10: 2.5 then, 2.0 now"], [], id="the first of several steps",
        ),
        pytest.param(
            outcome({("loss", 20): None}), ["loss at step 20: nan then, None now"], [], id="missing"
        ),
        pytest.param(
            outcome({("new", 3): 1.0}), ["new at step 3: None then, 1.0 now"], [], id="more"
        ),
        pytest.param(
            outcome({("accuracy", -1): 0.6}), ["accuracy: 0.5 then, 0.6 now"], [], id="at the end"
        ),
        pytest.param(
            outcome(classes=(1, 2, 4)), ["test predictions: 1 of 3 differ"], [], id="a prediction"
        ),
        pytest.param(
            outcome(python="3.11", command=["other"]), [], ["python: 3.7 then, 3.11 now"],
            id="a condition, but not what was typed",
        ),
        pytest.param(
            outcome(cpu_flags=["b", "c"], packages={"numpy": "2"}), [],
            ["cpu_flags: without a; with c", "packages.numpy: 1 then, 2 now"], id="inner ones",
        ),
    ],
)  # fmt: skip
def test_what_differs_is_named(now, results, conditions):
    before = outcome(cpu_flags=["a", "b"], packages={"numpy": "1"})
    if "packages" not in now.conditions:
        before = outcome()
    verdict = repetition.compare(before, now)
    assert verdict == (results, conditions)


@pytest.mark.parametrize(
    "metric", ["sec_per_step", "ms_per_step", "images_per_sec", "seconds_to_0.975",
               "window_sec_per_step", "recording_cpu_seconds", "sec_per_step_p95"],
)  # fmt: skip
def test_times_are_not_compared(metric):
    assert repetition.is_time(metric)


@pytest.mark.parametrize(
    "metric", ["accuracy", "accuracy_percent", "loss", "loss_scale", "skipped_steps",
               "validation_accuracy"],
)  # fmt: skip
def test_everything_else_is(metric):
    assert not repetition.is_time(metric)


@pytest.fixture
def folder(tmp_path):
    """A run that finished at 20 steps and once more at 40."""
    made = Journal(tmp_path)
    made.append("params", {"seed": 0})
    for step in (20, 40):
        values = {"loss": 1.0 / step, "accuracy": step / 100, "sec_per_step": 0.1}
        made.append("metrics", values, step)
    made.append("status", {"status": "FINISHED"})
    made.close()
    np.savez(str(tmp_path / "test_predictions.npz"), classes=np.arange(3, dtype=np.uint8))
    (tmp_path / "conditions.json").write_text(json.dumps({"python": "3.7"}))
    return tmp_path


def test_a_run_that_went_on_counts_with_its_last_accuracy(folder):
    found = repetition.outcome(folder)
    assert found.metrics == {("loss", 20): 0.05, ("loss", 40): 0.025, ("accuracy", -1): 0.4}
    assert found.classes.tolist() == [0, 1, 2]
    assert found.conditions == {"python": "3.7", "settings": {"seed": 0}}


@pytest.mark.parametrize("content", [b"{", b"[1]", b'{"tensorflow": "2"}'])
@pytest.mark.parametrize(
    "name", ["test_predictions.npz", "conditions.json", "conditions-20.json"]
)  # fmt: skip
def test_what_is_not_whole_is_no_run_to_repeat(folder, name, content):
    (folder / name).write_bytes(content)
    with pytest.raises(DataError, match="can't be read"):
        repetition.outcome(folder)


def test_a_run_that_has_not_finished_is_no_run_to_repeat(tmp_path):
    made = Journal(tmp_path)
    made.append("status", {"status": "KILLED"})
    made.close()
    with pytest.raises(DataError, match="has not finished"):
        repetition.outcome(tmp_path)
