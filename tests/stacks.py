"""What of the long tests runs where: TensorFlow 1 starts and computes more slowly."""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import List

import pytest

from lenet_exp import tf_compat

STACK = tf_compat.stack_of_this_python()

# Marks of tests whose kind another test represents on tf1, where only `make test-full` runs them.
FULL_ON_TF1: List[pytest.MarkDecorator] = [pytest.mark.full] if STACK == "tf1" else []

# Folders of such tests: many graphs through code that is one for both.
FULL = {
    "tf1": (
        "comparison",
        "networks",
        "precision/analysis",
        "precision/decisions",
        "precision/diagnosis",
        "precision/emulation/control_flow",
        "precision/reporting",
        "script/sweep",
    ),
    "tf2": (),
}

# Folders of products (graphs, modes, generations, overflows): `make test` runs the first case of
# each test, those marked `always` (a kind that no other case has), and of the rest one in so many.
SAMPLED = {
    "tf1": (
        "commands",
        "config/cli",
        "experiment",
        "precision",
        "record",
        "script",
        "training",
    ),
    "tf2": (
        "networks",
        "precision/emulation/control_flow",
        "precision/emulation/fast",
        "precision/emulation/trace",
    ),
}
ONE_IN = {"tf1": 10, "tf2": 6}


def full_on_tf1(test):
    """Mark a test so."""
    for mark in FULL_ON_TF1:
        test = mark(test)
    return test


def leave_to_full(items) -> None:
    """Mark, of all collected tests, those of the folders that only `make test-full` runs."""
    begun = set()
    for item in items:
        folder = item.path.parent.relative_to(Path(__file__).parent).as_posix()
        if item.get_closest_marker("full"):
            continue
        if is_in(folder, FULL[STACK]) or (is_in(folder, SAMPLED[STACK]) and is_left(item, begun)):
            item.add_marker(pytest.mark.full)


def is_in(folder: str, folders) -> bool:
    return any(folder == one or folder.startswith(one + "/") for one in folders)


def is_left(item, begun: set) -> bool:
    """Return whether a case is none that is always run, nor in the sample of its test's cases."""
    test = item.nodeid.split("[")[0]
    is_first = test not in begun or item.get_closest_marker("always") is not None
    begun.add(test)
    # Of the name, not of the position: no parameter's values fall in step with the sample.
    return not is_first and zlib.crc32(item.nodeid.encode()) % ONE_IN[STACK] != 0


def besides_loading(problems):
    """Return what a fresh process said on stderr besides which libraries it was loading."""
    lines = problems.splitlines(keepends=True)
    return "".join(line for line in lines if not re.fullmatch(r"loading \w+ \.\.\.\n", line))
