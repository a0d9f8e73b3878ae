"""The Chinese README says what the English one says."""

from __future__ import annotations

import re

import pytest

from tests.docs import pages

pytestmark = pytest.mark.stackless
ENGLISH, CHINESE = (path.read_text() for path in pages.READMES)


def test_both_have_the_same_commands_and_samples():
    assert pages.blocks(pages.READMES[0]) == pages.blocks(pages.READMES[1])


@pytest.mark.parametrize(
    "pattern",
    [r"^#+ ", r"^\|", r"`[^`\n]+`", r"\d+(?:[.,]\d+)*", r"\]\(((?!README)[^)]*)\)"],
    ids=["headings", "rows", "code", "figures", "links"],
)
def test_both_have_the_same(pattern):
    found = [re.findall(pattern, text, re.MULTILINE) for text in (ENGLISH, CHINESE)]
    ordered = found if pattern.startswith("^") else [sorted(each) for each in found]
    assert ordered[0] == ordered[1]
