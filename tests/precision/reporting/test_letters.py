"""Types as letters, there and back."""

from __future__ import annotations

import pytest

from lenet_exp.precision.reporting.letters import ANY_OTHER, LETTERS, compact
from lenet_exp.precision.target import library_file

pytestmark = pytest.mark.stackless


def test_every_type_has_a_letter_of_its_own():
    assert len({*LETTERS.values()}) == len(LETTERS)
    assert LETTERS.items() >= library_file.LETTERS.items()
    for letter, dtype in LETTERS.items():
        assert compact([dtype]) == letter
    assert compact(["complex64"]) == ANY_OTHER
