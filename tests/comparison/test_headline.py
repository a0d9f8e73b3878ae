"""The conclusion, in one sentence."""

from __future__ import annotations

import pytest

from lenet_exp.comparison import table
from lenet_exp.comparison.headline import headline
from lenet_exp.comparison.verdicts import AccuracyVerdict

from test_table import ROW  # isort: skip

pytestmark = pytest.mark.stackless


def row(name, accuracy, verdict=None, runs=3):
    found = verdict or AccuracyVerdict("reference")
    runs = 0 if accuracy is None else runs
    return ROW._replace(configuration=name, accuracy=accuracy, verdict=found, runs=runs)


def judged(word, difference=0.0, half=0.001, method="paired t"):
    return AccuracyVerdict(word, method, (3, 3), 0.95, difference, half)


REFERENCE = row("float32", 0.98)
ALIKE = judged("within noise", 0.0002)
WORSE = judged("worse", -0.88, 0.03)
NONE = AccuracyVerdict("no verdict")
SINGLE = judged("within noise", 0.0002, None, "McNemar's exact test")


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        pytest.param(
            [row("mix", 0.98, ALIKE), row("fp32_to_fp16", 0.98, ALIKE), REFERENCE,
             row("fp16", 0.1, WORSE)],
            "mix and fp32_to_fp16 train as accurately as float32; fp16 does not learn.", id="modes",
        ),
        pytest.param(
            [row("mix", 0.99, judged("better", 0.01)), REFERENCE,
             row("fp16", 0.97, judged("worse", -0.01))],
            "mix trains more accurately than float32; fp16 trains less accurately than float32.",
            id="better and worse",
        ),
        pytest.param(
            [REFERENCE, row("mix", 0.98, judged("within noise", 0.001, 0.02))],
            "these runs can't tell mix from float32.", id="a wide interval says nothing",
        ),
        pytest.param(
            [REFERENCE, row("mix", 0.98, judged("identical", 0.0, None))],
            "mix trains as accurately as float32.", id="identical",
        ),
        pytest.param(
            [REFERENCE, row("mix", 0.98, SINGLE)],
            "With one seed: mix trains as accurately as float32.", id="one run of each",
        ),
        pytest.param(
            [REFERENCE, row("mix", 0.9, SINGLE._replace(difference=-0.08))],
            "With one seed: these runs can't tell mix from float32.", id="one run far off",
        ),
        pytest.param(
            [REFERENCE, row("mix", 0.98, ALIKE),
             row("fp16", 0.1, SINGLE._replace(word="worse"), 1)],
            "mix trains as accurately as float32; fp16 (by one seed) does not learn.",
            id="one run beside several",
        ),
        pytest.param(
            [REFERENCE, row("mix", None, NONE)], "mix has no finished run.", id="unfinished"
        ),
        pytest.param(
            [REFERENCE, row("mix", 0.98, ALIKE),
             row("mix for a look", 0.15, NONE._replace(method="other budget"))],
            "mix trains as accurately as float32; mix for a look can't be compared with float32: "
            "trained on more or fewer images.", id="other budget",
        ),
        pytest.param(
            [REFERENCE, row("mine", 0.15, NONE._replace(method="other data"))],
            "mine can't be compared with float32: trained on other data.", id="other data",
        ),
        pytest.param(
            [REFERENCE, row("mix", 0.98, NONE._replace(difference=0.0))],
            "these runs can't tell mix from float32.", id="no verdict",
        ),
        pytest.param(
            [row("mix", 0.98, NONE), row("float32", None)],
            "float32, the reference, has no finished run to compare with.", id="no reference",
        ),
        pytest.param(
            [row("fp16", 0.98, judged("better", 0.88)), row("float32", 0.1)],
            "fp16 trains more accurately than float32.", id="the reference does not learn",
        ),
        pytest.param(
            [REFERENCE, *(row(name, 0.98, ALIKE) for name in "abcdef")],
            "a, b, c and 3 others train as accurately as float32.", id="many",
        ),
        pytest.param(
            [row("mix", None, NONE), row("float32", None)],
            "No run has finished: there is nothing to compare yet.", id="nothing",
        ),
        pytest.param(
            [row("mix", 0.31, ALIKE), row("float32", 0.3)],
            "After 20 steps no configuration has learned yet: accuracy 0.3100 at best.",
            id="a look",
        ),
        pytest.param(
            [row("mix", 0.9829)],
            "mix reaches the ModelZoo's 0.975 with accuracy 0.9829, the mean of 3 seeds.",
            id="one configuration",
        ),
        pytest.param(
            [row("mix", 0.9749, runs=1)],
            "mix misses the ModelZoo's 0.975 with accuracy 0.9749.", id="one run",
        ),
    ],
)  # fmt: skip
def test_the_conclusion_is_one_sentence(rows, told):
    assert headline(rows, 20) == told


@pytest.mark.parametrize(("steps", "told"), [(None, "So far no"), (1, "After 1 step no")])
def test_steps_are_named_where_all_runs_have_as_many(steps, told):
    assert headline([row("float32", 0.3)], steps).startswith(told)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([REFERENCE, row("mix", 0.98)], ", reached by all"),
        ([REFERENCE, row("mix", 0.9749)], "; not reached by mix (0.9749)"),
        ([REFERENCE, row("mix", None)], "; no finished run of mix"),
        ([row("a", 0.1), row("b", None)], "; not reached by a (0.1000); no finished run of b"),
        ([row("a", None), row("b", None)], "; no run has finished"),
    ],
)
def test_who_missed_the_baseline_is_named(rows, told):
    assert table.baseline(rows) == f"ModelZoo's baseline: accuracy 0.975{told}"
