"""The words of `compare` -> what is asked. Imports neither TensorFlow nor MLflow."""

from __future__ import annotations

from typing import Dict, NamedTuple, Optional, Sequence, Tuple

from lenet_exp.config.cli import suggest
from lenet_exp.errors import ConfigError

PROGRAM = "python -m lenet_exp.compare"
EXPERIMENT = "lenet-exp"
_KEYS = ("sweep", "runs", "tracking.experiment", "tracking.uri", "reference", "require_accuracy")
_GOOD = {
    "sweep": "latest",
    "runs": "[ID,ID]",
    "tracking.experiment": EXPERIMENT,
    "tracking.uri": "URI",
    "reference": "must_keep_origin_dtype",
    "require_accuracy": "0.975",
}


class Asked(NamedTuple):
    """What is compared: a sweep, or these runs, or else the experiment.

    All three are None where nothing was named: the last sweep, or else the experiment.
    """

    uri: Optional[str]
    experiment: Optional[str]
    sweep: Optional[str]
    runs: Tuple[str, ...]
    reference: Optional[str]
    require_accuracy: Optional[float]


def read(words: Sequence[str]) -> Asked:
    """Return what the words of a command line ask.

    Raises:
        ConfigError: with the key, the value, what is allowed and what to type instead.
    """
    given = _pairs(words)
    if "sweep" in given and "runs" in given:
        raise ConfigError(
            "runs", given["runs"], "sweep= or runs=, not both", f"{PROGRAM} {words[0]}"
        )
    return Asked(
        given.get("tracking.uri"),
        given.get("tracking.experiment"),
        given.get("sweep"),
        _runs(given["runs"]) if "runs" in given else (),
        given.get("reference"),
        _accuracy(given["require_accuracy"]) if "require_accuracy" in given else None,
    )


def _pairs(words: Sequence[str]) -> Dict[str, str]:
    found: Dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if key not in _KEYS:
            plain = key.lstrip("-").replace("-", "_")
            short = {name.rpartition(".")[2]: name for name in _KEYS}
            meant = short.get(plain) or suggest.close_to(plain, _KEYS)
            remedy = f"{meant}={value or _GOOD[meant]}" if meant else "--help"
            allowed = "one of " + ", ".join(_KEYS)
            raise ConfigError(key, value or None, allowed, f"{PROGRAM} {remedy}")
        if not equals or not value.strip():
            raise ConfigError(word, None, "key=value", f"{PROGRAM} {key}={_GOOD[key]}")
        if key in found:
            raise ConfigError(key, value, "each key once", f"{PROGRAM} {key}={value}")
        found[key] = value.strip()
    return found


def _runs(text: str) -> Tuple[str, ...]:
    names = tuple(name.strip() for name in text.strip("[]").split(",") if name.strip())
    if not names:
        allowed = "run ids in brackets, with commas"
        raise ConfigError("runs", text, allowed, f"{PROGRAM} 'runs={_GOOD['runs']}'")
    return tuple(dict.fromkeys(names))


def _accuracy(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise ConfigError(
            "require_accuracy", text, "a number from 0 to 1", f"{PROGRAM} require_accuracy=0.975"
        )
    return value
