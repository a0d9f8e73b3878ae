"""What a person changed of a mode's decisions, and why it does not count."""

from __future__ import annotations

from typing import List, Sequence

from lenet_exp.config.schema.run import Settings, precision_files

FLOAT32 = "must_keep_origin_dtype"


def changes(settings: Settings) -> List[str]:
    """Return the keys, without their group, of what changes the decisions of the mode."""
    kept = ["keep_dtype"] if settings.precision.keep_dtype else []
    return [*precision_files(settings), *kept]


def told(keys: Sequence[str], why: str, whose: str = "") -> List[str]:
    """Return a line that says of keys, if there are any, why they do not count."""
    does = "does" if len(keys) == 1 else "do"
    return [f"{whose}{', '.join(keys)} {does} not count {why}"] if keys else []
