"""Intervals and tests against scipy's own tests and tables of Student's t."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from lenet_exp.comparison import estimates

pytestmark = pytest.mark.stackless

# Three seeds, two configurations: the seeds matter more than the configuration.
FIRST = (0.9842, 0.9829, 0.9851)
SECOND = (0.9832, 0.9815, 0.9839)


@pytest.mark.parametrize(
    ("values", "level", "mean", "half_width"),
    [
        pytest.param((1, 2, 3), 0.95, 2, 4.303 / 3**0.5, id="t table, 2 degrees"),
        pytest.param((1, 3), 0.95, 2, 12.706, id="t table, 1 degree"),
        pytest.param((0, 1, 2, 3, 4), 0.99, 2, 4.604 * 0.5**0.5, id="t table, 99 %"),
        pytest.param((2, 2), 0.95, 2, 0, id="no spread"),
    ],
)
def test_the_interval_of_a_mean(values, level, mean, half_width):
    found = estimates.mean_of(values, level)
    assert found.mean == mean
    assert found.half_width == pytest.approx(half_width, rel=1e-3)


def test_a_single_value_has_no_interval():
    assert estimates.mean_of([0.98], 0.95) == (0.98, None)


def p_of(test, *samples, **options):
    return test(*samples, **options).pvalue


def test_an_interval_at_the_level_of_the_paired_test_ends_at_0():
    differences = np.subtract(FIRST, SECOND)
    found = estimates.mean_of(differences, 1 - p_of(stats.ttest_rel, FIRST, SECOND))
    assert found.half_width == pytest.approx(found.mean)


@pytest.mark.parametrize("second", [SECOND, SECOND[:2], (*SECOND, 0.97, 0.985)])
def test_an_interval_at_the_level_of_welch_s_test_ends_at_0(second):
    p = p_of(stats.ttest_ind, FIRST, second, equal_var=False)
    found = estimates.welch(FIRST, second, 1 - p)
    assert found.mean == pytest.approx(np.mean(FIRST) - np.mean(second))
    assert found.half_width == pytest.approx(abs(found.mean))


def test_pairs_decide_where_welch_does_not():
    paired = estimates.mean_of(np.subtract(FIRST, SECOND), 0.95)
    assert paired.half_width < paired.mean < estimates.welch(FIRST, SECOND, 0.95).half_width


@pytest.mark.parametrize("counts", [(0, 0), (5, 0), (0, 9), (7, 7), (30, 12), (120, 170)])
def test_mcnemar_is_the_binomial_test_of_discordant_images(counts):
    expected = stats.binomtest(counts[0], sum(counts)).pvalue if sum(counts) else 1.0
    assert estimates.mcnemar(*counts) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("difference", "spreads", "runs"),
    [
        # 2.571 / 6**0.5 = 1.05 and 2.447 / 7**0.5 = 0.925, from the table
        pytest.param(1.0, (1.0,), 7, id="paired, one standard deviation"),
        pytest.param(-1.0, (1.0,), 7, id="the other way"),
        # n = 8: 2.145 * (2 / 8)**0.5 = 1.07; n = 9: 2.120 * (2 / 9)**0.5 = 0.999
        pytest.param(1.0, (1.0, 1.0), 9, id="Welch, 2n - 2 degrees"),
        # n = 2 has 1 degree: 12.706 / 2**0.5 = 8.98
        pytest.param(9.0, (1.0,), 2, id="two are enough"),
        pytest.param(8.9, (1.0,), 3, id="two are not"),
        pytest.param(0.01, (1.0,), None, id="more than anybody runs"),
        pytest.param(0.0, (1.0,), None, id="no difference"),
    ],
)
def test_the_least_number_of_runs_that_settles_a_difference(difference, spreads, runs):
    assert estimates.runs_needed(difference, spreads, 0.95) == runs
