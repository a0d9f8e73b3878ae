"""The mutations themselves: the same on every Python, and every kind of change."""

from __future__ import annotations

import hashlib
import random

import pytest

from tests.fuzz.mutations import CHANGES, mutants

pytestmark = pytest.mark.stackless
ORIGINALS = [b'{"black-list": {"to-add": ["MatMul", 128]}}', bytes(range(256)), b""]


def test_mutants_are_those_of_their_seed():
    made = list(mutants("a", ORIGINALS, 50))
    assert made == list(mutants("a", ORIGINALS, 50))
    assert made != list(mutants("b", ORIGINALS, 50))
    digest = hashlib.sha256(b"|".join(made)).hexdigest()[:16]
    assert digest == "3c0c14f25806f0e4"  # written by Python 3.7 and by newer ones


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_change_changes_something_and_takes_an_empty_file(change):
    rng = random.Random(0)
    assert any(change(rng, ORIGINALS[0], ORIGINALS[1]) != ORIGINALS[0] for _ in range(5))
    assert isinstance(change(rng, b"", b""), bytes)
