"""Seeds added until it is decided: how often that errs, and how many it takes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from lenet_exp.comparison import estimates, verdicts
from lenet_exp.comparison.configurations import Configuration
from lenet_exp.comparison.runs import Recorded

pytestmark = pytest.mark.stackless

SWEEPS = pytest.param(10_000, marks=pytest.mark.full)
MOST = 40  # seeds
NEVER = 10**6


def added(label, accuracies):
    """Return a configuration whose seeds were added until it was decided."""
    runs = tuple(
        Recorded(f"{label}{seed}", "1", "FINISHED", seed, {"seed": str(seed)},
                 {"seeds_until": "decided"}, {"accuracy": value}, "")
        for seed, value in enumerate(accuracies)
    )  # fmt: skip
    return Configuration(label, {}, runs, ())


def seeds_taken(differences, level):
    """Return after how many seeds the interval leaves 0 out: int [sweeps], NEVER where at none.

    Args:
        differences: float [sweeps, seeds].
        level: of each comparison.
    """
    seeds = np.arange(1, differences.shape[1] + 1)
    mean = differences.cumsum(1) / seeds
    variance = (np.square(differences).cumsum(1) - seeds * mean**2) / np.maximum(seeds - 1, 1)
    error = np.sqrt(np.maximum(variance, 1e-18) / seeds)
    decided = np.abs(mean) > estimates.sequential_factors(seeds, level) * error
    return np.where(decided.any(1), decided.argmax(1) + 1, NEVER)


def fixed_seeds(size, level, power=0.95):
    """Return how many seeds, fixed before, find a difference of `size`.

    Args:
        size: in standard deviations of a paired difference.
        level: of the paired t test.
        power: the probability that it is found: as large as that of making up none.
    """
    for seeds in range(2, MOST):
        bound = stats.t.ppf(0.5 + level / 2, seeds - 1)
        if stats.nct.sf(bound, seeds - 1, size * seeds**0.5) >= power:
            return seeds
    raise AssertionError(size)


NOISE = {
    "normal": lambda random, shape: random.normal(size=shape),
    "uniform": lambda random, shape: random.uniform(-1, 1, shape),
    "images": lambda random, shape: random.binomial(10_000, 0.985, shape) / 1e4,
    "skew": lambda random, shape: -random.gamma(4, size=shape),
}


@pytest.mark.parametrize("sweeps", [1000, SWEEPS])
@pytest.mark.parametrize("modes", [1, 4])
@pytest.mark.parametrize("noise", NOISE)
def test_without_a_difference_one_is_declared_in_at_most_one_sweep_of_twenty(noise, modes, sweeps):
    random = np.random.RandomState(1)
    accuracies = NOISE[noise](random, (modes + 1, sweeps, MOST))
    level = verdicts.level_of(modes)
    taken = [seeds_taken(mine - accuracies[0], level) for mine in accuracies[1:]]
    wrong = np.mean(np.min(taken, axis=0) < NEVER)
    assert wrong <= 0.05


@pytest.mark.parametrize("sweeps", [1000, SWEEPS])
@pytest.mark.parametrize("modes", [1, 3, 4])
def test_a_difference_of_two_standard_deviations_takes_fewer_seeds_than_a_fixed_count(
    modes, sweeps
):
    random = np.random.RandomState(2)
    mine, theirs = random.normal(size=(2, sweeps, MOST))
    level = verdicts.level_of(modes)
    taken = seeds_taken(mine + 2 - theirs, level)
    assert np.median(taken) < fixed_seeds(2 / 2**0.5, level)
    assert np.mean(taken < NEVER) > 0.99


def test_the_interval_is_what_the_bayes_factor_does_not_exclude():
    random, level = np.random.RandomState(3), 0.95
    for runs in (4, 7, 30):
        values = random.normal(1, 2, runs)
        mean, half_width = estimates.sequential(values, level)
        t = half_width / (np.std(values, ddof=1) / runs**0.5)  # of a mean at the interval's end
        ratio = (1 + t**2 / (runs - 1)) / (1 + t**2 / (runs - 1) / (1 + 2 * runs))
        assert ratio ** (runs / 2) / (1 + 2 * runs) ** 0.5 == pytest.approx(1 / (1 - level))
        assert mean == pytest.approx(np.mean(values))


REFERENCE = (0.980, 0.984, 0.988, 0.981, 0.985)


@pytest.mark.parametrize(
    ("mine", "word", "said"),
    [
        ((0.97, 0.9741, 0.9779, 0.971, 0.9752), "worse", "worse, -1.00 points +- 0.03"),
        ((0.983, 0.98, 0.988, 0.985, 0.981), "within noise", "seeds would settle"),
        ((0.97, 0.974, 0.979), "no verdict", "takes 4 seeds or more (n = 3)"),
        (REFERENCE, "identical", "identical, +0.00 points in every pair"),
    ],
)
def test_added_seeds_are_judged_by_the_sequential_test(mine, word, said):
    found = verdicts.verdict(added("a", mine), added("b", REFERENCE), 1, {})
    assert (found.word, found.method) == (word, verdicts.SEQUENTIAL)
    assert said in verdicts.sentences([("a", found)])[0]
    (note,) = verdicts.method_notes([found], 1)
    assert "seeds were added" in note


def test_what_one_look_decides_is_open_where_seeds_were_added():
    mine, theirs = (0.982, 0.9861, 0.9899, 0.983), (0.980, 0.984, 0.988, 0.9815)
    once = [one._replace(runs=tuple(run._replace(tags={}) for run in one.runs))
            for one in (added("a", mine), added("b", theirs))]  # fmt: skip
    assert verdicts.verdict(*once, 3, {}).word == "better"
    assert verdicts.verdict(added("a", mine), added("b", theirs), 3, {}).word != "better"


def test_without_seeds_in_common_there_is_no_verdict():
    mine = added("a", (0.98, 0.98))
    runs = tuple(run._replace(params={"seed": "7"}) for run in mine.runs[:1])
    found = verdicts.verdict(mine._replace(runs=runs + mine.runs[:1]), added("b", REFERENCE), 1, {})
    assert found.word == "no verdict"
    assert "fewer than 2" in found.why
