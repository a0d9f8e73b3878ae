"""What of the long tests runs where: TensorFlow 1 starts and computes more slowly."""

from __future__ import annotations

import re
from typing import List

import pytest

from lenet_exp import tf_compat

# Marks of tests whose kind another test represents on tf1, where only `make test-full` runs them.
FULL_ON_TF1: List[pytest.MarkDecorator] = (
    [pytest.mark.full] if tf_compat.stack_of_this_python() == "tf1" else []
)


def full_on_tf1(test):
    """Mark a test so."""
    for mark in FULL_ON_TF1:
        test = mark(test)
    return test


def besides_loading(problems):
    """Return what a fresh process said on stderr besides which libraries it was loading."""
    lines = problems.splitlines(keepends=True)
    return "".join(line for line in lines if not re.fullmatch(r"loading \w+ \.\.\.\n", line))
