"""A sweep in a process of its own, which ends in order when this one is ended."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from typing import Any, Sequence

_IN_ORDER = 30.0  # seconds; a checkpoint and the store take a few


def train(words: Sequence[str], **options: Any) -> int:
    """Run the sweep of these words; return its exit code. `options` are those of Popen."""
    command = [sys.executable, "-m", "lenet_exp.run", "-m", *words]
    child = subprocess.Popen(command, **options)  # noqa: S603 - no shell, our own words
    try:
        return child.wait()
    except KeyboardInterrupt:  # a terminal tells the sweep of it, too
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_IN_ORDER)
        raise
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait()
