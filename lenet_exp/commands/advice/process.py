"""A sweep in a process of its own, which is left to end in order."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, Sequence


def train(words: Sequence[str], **options: Any) -> int:
    """Run the sweep of these words; return its exit code. `options` are those of Popen.

    A Ctrl-C at a terminal is for both processes: the sweep keeps what it has, then this one ends.
    """
    command = [sys.executable, "-m", "lenet_exp.run", "-m", *words]
    with subprocess.Popen(command, **options) as child:  # noqa: S603 - no shell, our own words
        return child.wait()
