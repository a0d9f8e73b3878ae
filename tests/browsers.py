"""The browser of scripts/, for tests that look at a page as a person does."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))
import browser  # isort: skip

__all__ = ["browser", "needs_browser"]


def needs_browser():
    """Skip a test where there is none; fail it where there has to be one."""
    lacking = browser.missing()
    if lacking and os.environ.get("CI") == "true":
        pytest.fail(lacking)
    if lacking:
        pytest.skip(lacking)
