"""How a key of the configuration is declared."""

from __future__ import annotations

from dataclasses import field
from typing import Any, Callable


def key(
    allowed: str, good: object, check: Callable[[Any], bool] = lambda value: True, **more: Any
) -> Any:
    """Declare a key: what is allowed in words, a value that works, and the test beyond the type."""
    return field(metadata={"allowed": allowed, "good": good, "check": check, **more})


def within(low: float, high: float) -> Callable[[float], bool]:
    """Return the test of a range, both ends included."""
    return lambda value: low <= value <= high


def one_of(*options: str, good: str = "") -> Any:
    """Declare a key that is one of some words."""
    return key(" | ".join(options), good or options[0], lambda value: value in options)
