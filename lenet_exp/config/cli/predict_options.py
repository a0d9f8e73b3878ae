"""The words of `predict` -> what is asked. Imports neither TensorFlow nor MLflow."""

from __future__ import annotations

import re
from typing import List, NamedTuple, Sequence

from lenet_exp.config import checks
from lenet_exp.config.cli import options
from lenet_exp.config.schema.run import Settings
from lenet_exp.errors import ConfigError

PROGRAM = "python -m lenet_exp.predict"
_OWN = {"model": "latest", "images": "DIR", "batch": "64", "format": "csv"}
EXAMPLE = f"{PROGRAM} model=latest images=mnist"
_FORMATS = ("table", "csv")
# What of a run's settings means something to a network that is trained already.
_OF_A_RUN = ("precision", "hardware", "threads")


class Asked(NamedTuple):
    """`model` and `images` as typed; `batch` images a call, the same in each."""

    model: str
    images: str
    batch: int
    format: str
    settings: Settings


def read(typed: Sequence[str]) -> Asked:
    """Return what the words of a command line ask.

    Raises:
        ConfigError: with the key, the value, what is allowed and what to type instead.
    """
    own, others = options.split(typed, _OWN, PROGRAM)
    for key in ("model", "images"):
        if not own.get(key):
            raise ConfigError(f"no {key}", None, "model=... and images=...", EXAMPLE)
    batch, shown = own.get("batch", "64"), own.get("format", "table")
    if not re.fullmatch("[1-9][0-9]{0,4}", batch):
        raise ConfigError("batch", batch, "a whole number from 1 to 99999", f"{EXAMPLE} batch=64")
    if shown not in _FORMATS:
        raise ConfigError("format", shown, " | ".join(_FORMATS), f"{EXAMPLE} format=csv")
    settings = options.settings(_of_a_run(others), PROGRAM)
    checks.check_together(settings)
    return Asked(own["model"], own["images"], int(batch), shown, settings)


def _of_a_run(others: Sequence[str]) -> List[str]:
    """Return the words for a run's settings: float32 as the graph has it, unless asked."""
    for word in others:
        key, _, value = word.partition("=")
        if key.partition(".")[0] not in _OF_A_RUN:
            allowed = f"one of {', '.join((*_OWN, *_OF_A_RUN))}"
            raise ConfigError(key, value or None, allowed, EXAMPLE)
    chosen = any(word.startswith("precision=") for word in others)
    return [*([] if chosen else ["precision=must_keep_origin_dtype"]), *others]
