"""What a person changed of a mode's decisions, and whether it counts in that mode."""

from __future__ import annotations

from typing import Iterable, List, Sequence

from lenet_exp.config.schema.run import Settings, precision_files

FLOAT32 = "must_keep_origin_dtype"
# precision-modes.md 6.4 to 6.6: where every type is kept, none of these has anything to change.
_NOT_IN_FLOAT32 = ("modify_mixlist", "customize_dtypes", "keep_dtype")


def changes(settings: Settings) -> List[str]:
    """Return the keys, without their group, of what changes the decisions of the mode."""
    kept = ["keep_dtype"] if settings.precision.keep_dtype else []
    return [*precision_files(settings), *kept]


def without_effect(keys: Iterable[str], mode: str) -> List[str]:
    """Return those of `changes` that have no effect in a mode."""
    return [key for key in keys if mode == FLOAT32 and key in _NOT_IN_FLOAT32]


def told(keys: Sequence[str], why: str, whose: str = "") -> List[str]:
    """Return a line that says of keys, if there are any, why they do not count."""
    does = "does" if len(keys) == 1 else "do"
    return [f"{whose}{', '.join(keys)} {does} not count {why}"] if keys else []
