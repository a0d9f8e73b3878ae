"""The part that is found does what the whole does, and none of it can be left out."""

from __future__ import annotations

import random

import pytest

from lenet_exp.precision.diagnosis.minimal import minimal

pytestmark = pytest.mark.stackless
NAMES = "abcdefghijklmnop"


def needs(*wanted):
    return lambda names: set(wanted) <= set(names)


@pytest.mark.parametrize(
    ("holds", "found"),
    [
        (needs(), ""),
        (needs("a"), "a"),
        (needs("p"), "p"),
        (needs("b", "k"), "bk"),
        (needs(*NAMES), NAMES),
        (lambda names: len(names) > 2, "abc"),
    ],
)
def test_what_is_needed_is_found(holds, found):
    made = minimal(NAMES, holds, 1000)
    assert ("".join(made.elements), made.is_minimal) == (found, True)


@pytest.mark.parametrize("seed", range(20))
def test_no_element_can_be_taken_away(seed):
    chance = random.Random(seed)
    options = [frozenset(chance.sample(NAMES, chance.randint(1, 6))) for _ in range(4)]

    def holds(names):
        return any(each <= set(names) for each in options)

    made = minimal(NAMES, holds, 1000)
    assert made.is_minimal
    assert holds(made.elements)
    for gone in made.elements:
        assert not holds([name for name in made.elements if name != gone])


def test_the_likely_ones_need_few_tests():
    assert minimal(NAMES, needs("a"), 1000).tests <= 3
    assert minimal(NAMES * 1, needs("a", "b"), 1000).tests <= 12


@pytest.mark.parametrize("budget", [1, 2, 5])
def test_what_was_reached_when_the_budget_ended_still_does(budget):
    made = minimal(NAMES, needs("c", "n", "o"), budget)
    assert not made.is_minimal
    assert made.tests <= budget
    assert needs("c", "n", "o")(made.elements)


@pytest.mark.parametrize(
    ("budget", "most"), [(1, 68), (2, 68), (3, 34), (4, 17), (5, 9), (6, 5), (7, 3), (40, 3)]
)
def test_what_was_proved_before_the_budget_ended_counts(budget, most):
    many = [f"operator_{number}" for number in range(68)]
    made = minimal(many, needs(*many[:3]), budget)
    assert len(made.elements) == most
    assert needs(*many[:3])(made.elements)
