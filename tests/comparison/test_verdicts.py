"""What is said of a configuration, and by which method."""

from __future__ import annotations

import numpy as np
import pytest

from lenet_exp.comparison import verdicts
from lenet_exp.comparison.configurations import Configuration
from lenet_exp.comparison.runs import Recorded

pytestmark = pytest.mark.stackless


def made(label, accuracies, **settings):
    """Return a configuration with these accuracies by seed."""
    runs = tuple(
        Recorded(f"{label}{seed}", "1", "FINISHED", seed, {"seed": str(seed)}, {},
                 {"accuracy": value}, "")
        for seed, value in sorted(accuracies.items())
    )  # fmt: skip
    return Configuration(label, settings, runs, ())


def right(*images):
    return np.array(images, bool)


REFERENCE = {0: 0.980, 1: 0.984, 2: 0.988}


@pytest.mark.parametrize(
    ("mine", "theirs", "word", "method", "runs"),
    [
        pytest.param({0: 0.982, 1: 0.9861, 2: 0.9899}, REFERENCE, "better", "paired t", (3, 3),
                     id="each seed is better by the same"),
        pytest.param({0: 0.978, 1: 0.9821, 2: 0.9859}, REFERENCE, "worse", "paired t", (3, 3),
                     id="each is worse"),
        pytest.param({0: 0.99, 1: 0.98, 2: 0.988}, REFERENCE, "within noise", "paired t", (3, 3),
                     id="it depends on the seed"),
        pytest.param({0: 0.982, 1: 0.9861}, REFERENCE, "better", "paired t", (2, 2),
                     id="over the seeds in common"),
        pytest.param({7: 0.10, 8: 0.11, 9: 0.10}, REFERENCE, "worse", "Welch's t", (3, 3),
                     id="other seeds"),
        pytest.param({0: 0.985, 8: 0.984, 9: 0.981}, REFERENCE, "within noise", "Welch's t", (3, 3),
                     id="one seed in common"),
        pytest.param(REFERENCE, REFERENCE, "identical", "paired t", (3, 3), id="equal"),
        pytest.param({s: a + 0.001 for s, a in REFERENCE.items()}, REFERENCE, "no spread seen",
                     "paired t", (3, 3), id="different by exactly the same"),
        pytest.param({0: 0.98}, {0: 0.97}, "no verdict", "", (1, 1), id="nothing but two numbers"),
        pytest.param({}, REFERENCE, "no verdict", "", (0, 0), id="no finished run"),
    ],
)  # fmt: skip
def test_the_verdict_and_its_method(mine, theirs, word, method, runs):
    found = verdicts.verdict(made("a", mine), made("b", theirs), 1, {})
    assert (found.word, found.method, found.runs) == (word, method, runs)


def test_three_modes_at_once_need_more_than_one_alone():
    mine, reference = made("a", {0: 0.9835, 1: 0.9865, 2: 0.9902}), made("b", REFERENCE)
    alone, of_three = (verdicts.verdict(mine, reference, n, {}) for n in (1, 3))
    assert (alone.word, of_three.word) == ("better", "within noise")
    assert (alone.level, of_three.level) == (0.95, pytest.approx(1 - 0.05 / 3))
    assert of_three.needed == 4


@pytest.mark.parametrize(
    ("mine", "theirs", "word", "discordant"),
    [
        # two-sided: 2 / 2**6 = 0.031, 2 / 2**5 = 0.0625
        pytest.param([1] * 6, [0] * 6, "better", (6, 0), id="6 to 0"),
        pytest.param([0] * 6, [1] * 6, "worse", (0, 6), id="0 to 6"),
        pytest.param([1] * 5 + [0], [0] * 6, "within noise", (5, 0), id="5 to 0"),
        pytest.param([1, 0], [1, 0], "identical", (0, 0), id="the same images"),
        pytest.param([1, 0], [1, 0, 1], "no verdict", (0, 0), id="other test sets"),
    ],
)
def test_single_runs_are_judged_by_their_test_images(mine, theirs, word, discordant):
    predictions = {"a0": right(*mine), "b0": right(*theirs)}
    found = verdicts.verdict(made("a", {0: 0.9}), made("b", {0: 0.8}), 1, predictions)
    assert (found.word, found.discordant) == (word, discordant)


def test_a_single_run_is_held_against_the_reference_s_run_of_that_seed():
    predictions = {"a1": right(*[1] * 6), "b0": right(*[1] * 6), "b1": right(*[0] * 6)}
    found = verdicts.verdict(made("a", {1: 0.9}), made("b", {0: 0.9, 1: 0.8}), 1, predictions)
    assert (found.word, found.method) == ("better", "McNemar's exact test")
    assert found.difference == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("mine", "theirs", "pair"),
    [
        pytest.param([3], [1, 2, 3], ("a3", "b3"), id="the seed in common"),
        pytest.param([1, 2], [5], ("a1", "b5"), id="none in common"),
        pytest.param([1, 2], [1, 2], None, id="several"),
        pytest.param([], [1], None, id="none"),
    ],
)
def test_the_runs_that_stand_for_their_configurations(mine, theirs, pair):
    found = verdicts.single_pair(*(made(name, dict.fromkeys(seeds, 0.9))
                                   for name, seeds in (("a", mine), ("b", theirs))))  # fmt: skip
    assert (found and tuple(run.run_id for run in found)) == pair


@pytest.mark.parametrize(
    ("mine", "told"),
    [
        pytest.param({0: 0.982, 1: 0.9861, 2: 0.9899},
                     "a: better, +0.20 points +- 0.02 (paired t, n = 3)", id="better"),
        pytest.param({0: 0.99, 1: 0.98, 2: 0.988},
                     "a: within noise, +0.20 points +- 1.79 (paired t, n = 3); 53 seeds would"
                     " settle a difference of that size", id="noise"),
        pytest.param({5: 0.1, 6: 0.2},
                     "a: worse, -83.40 points +- 62.96 (Welch's t, n = 2 and 3)", id="Welch"),
    ],
)  # fmt: skip
def test_a_verdict_in_words_names_method_and_n(mine, told):
    found = verdicts.verdict(made("a", mine), made("b", REFERENCE), 1, {})
    assert verdicts.sentences([("a", found)]) == [told]


@pytest.mark.parametrize("accuracies", [{0: 0.98}, REFERENCE, {7: 0.98, 8: 0.97}])
def test_runs_of_other_data_are_never_paired_nor_averaged(accuracies):
    mine, reference = (
        made(name, values)._replace(settings={"data": name})
        for name, values in (("a", accuracies), ("b", REFERENCE))
    )
    found = verdicts.verdict(mine, reference, 1, {"a0": right(1, 0), "b0": right(1, 1)})
    assert (found.word, found.difference) == ("no verdict", None)
    assert "tested on other images" in verdicts.sentences([("a", found)])[0]
    # A record of an earlier version may not say which data it was.
    unknown = reference._replace(settings={})
    assert verdicts.verdict(mine, unknown, 1, {}).method != verdicts.OTHER_DATA


@pytest.mark.parametrize(("comparisons", "told"), [(1, "95 %"), (3, "98.3 %"), (0, "95 %")])
def test_a_level_is_written_alike_everywhere(comparisons, told):
    assert verdicts.percent(verdicts.level_of(comparisons)) == told
    judged = [verdicts.AccuracyVerdict("worse", "Welch's t")]
    assert f"intervals at {told}" in verdicts.method_notes(judged, comparisons)[0]


FULL = {"schedule.epochs": "5", "schedule.steps_per_epoch": "1000", "schedule.batch_size": "64"}
LOOK = {**FULL, "schedule.epochs": "1", "schedule.steps_per_epoch": "20"}
ON_MINE = {**FULL, "data": "ab"}


@pytest.mark.parametrize(
    ("mine", "theirs", "method", "why"),
    [
        pytest.param(LOOK, FULL, "other budget",
                     "it was trained on 1280 images, the reference on 320000", id="a look"),
        pytest.param({**FULL, "schedule.batch_size": "128"}, FULL, "other budget",
                     "it was trained on 640000 images, the reference on 320000", id="larger batch"),
        pytest.param({**FULL, "schedule.batch_size": "128", "schedule.steps_per_epoch": "500"},
                     FULL, "paired t", "", id="the same images in larger batches"),
        pytest.param(ON_MINE, {**FULL, "data": "cd"}, "other data",
                     "it was tested on other images than the reference", id="other data"),
        pytest.param(ON_MINE, FULL, "paired t", "", id="of a version that kept no hash"),
        pytest.param({}, FULL, "paired t", "", id="of a version that kept no schedule"),
    ],
)  # fmt: skip
def test_what_was_trained_otherwise_gets_no_verdict_but_a_reason(mine, theirs, method, why):
    accuracies = {0: 0.30, 1: 0.301}
    found = verdicts.verdict(made("a", accuracies, **mine), made("b", REFERENCE, **theirs), 1, {})
    assert (found.method, found.why) == (method, why)
    if why:
        assert (found.word, found.difference) == ("no verdict", None)
        assert verdicts.sentences([("a", found)]) == [f"a: no verdict: {why}"]
