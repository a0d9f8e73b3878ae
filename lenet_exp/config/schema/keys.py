"""How a key of the configuration, or of a command, is declared."""

from __future__ import annotations

from dataclasses import MISSING, field
from typing import Any, Callable


def key(
    allowed: str,
    good: object,
    check: Callable[[Any], object] = lambda value: True,
    default: Any = MISSING,
    **more: Any,
) -> Any:
    """Declare a key: what is allowed in words, a value that works, and the test beyond the type."""
    metadata = {"allowed": allowed, "good": good, "check": check, **more}
    return field(default=default, metadata=metadata)


def within(low: float, high: float) -> Callable[[float], bool]:
    """Return the test of a range, both ends included."""
    return lambda value: low <= value <= high


def one_of(
    *options: str, good: str = "", default: Any = MISSING, also: str = "", **more: Any
) -> Any:
    """Declare a key that is one of some words; `also` says what else is taken for one."""
    allowed = " | ".join(options) + also
    return key(allowed, good or options[0], options.__contains__, default, options=options, **more)


def switch(default: Any = MISSING) -> Any:
    """Declare a key that is on or off."""
    return key("true | false", "true", default=default)
