"""What the pages show is what the commands print."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parent.parent / "docs"
COMMAND = "$ python -m lenet_exp.explain "


def shown():
    """Return the words of each explain command in the page on precision, and what it prints."""
    text = (DOCS / "precision.md").read_text()
    found = {}
    for block in re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        first, _, rest = block.partition("\n")
        if first.startswith(COMMAND):
            found.setdefault(first[len(COMMAND) :], []).append(rest.splitlines())
    return found


@pytest.mark.parametrize("words", shown())
def test_the_page_on_precision_shows_real_output(words):
    done = subprocess.run(
        [sys.executable, "-m", "lenet_exp.explain", *words.split()],
        capture_output=True,
        text=True,
        check=True,
        # Not inherited: readline, which pytest imports, puts a width into the C environment.
        env={k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")},
    )
    printed = done.stdout.splitlines()
    for lines in shown()[words]:
        assert len(lines) > 1
        rest = iter(printed)  # each line, in this order; "..." leaves some out
        missing = [line for line in lines if line != "..." and line not in rest]
        assert not missing, printed


def test_links_between_pages_lead_somewhere():
    for page in (*DOCS.glob("*.md"), DOCS.parent / "README.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), target


def test_the_page_on_the_chip_shows_a_real_refusal():
    text = (DOCS / "ascend910.md").read_text()
    found = re.search(r"\$ (python[^\n]*=5-3)\n(.*?)```", text, re.DOTALL)
    words, shown_lines = found.groups()
    command = [sys.executable, *words.split()[1:]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, shown_lines)
