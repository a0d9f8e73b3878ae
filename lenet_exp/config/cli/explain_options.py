"""The words of `explain` -> what is asked. Imports neither TensorFlow nor MLflow."""

from __future__ import annotations

from pathlib import Path
from typing import Mapping, NamedTuple, Optional, Sequence, Tuple

from lenet_exp.config.cli import options, suggest
from lenet_exp.config.schema.run import PRECISION_MODES, Settings, all_keys, groups
from lenet_exp.errors import ConfigError

PROGRAM = "python -m lenet_exp.explain"
_GENERATIONS = ("today", "2021")
_FORMATS = ("table", "csv", "json")
PHASES = (
    "prune",
    "fold_constants",
    "prune_again",
    "lower",
    "fuse",
    "select",
    "insert_casts",
    "eliminate_casts",
)
_OWN = ("diff", "summary", "format", "graph", "fetches", "inference", "session", "phase")
# What of a run's settings still means something to a graph that is not LeNet's.
_OF_ANY_GRAPH = (
    "precision",
    "precision.mode",
    "precision.modify_mixlist",
    "precision.keep_dtype",
    "precision.customize_dtypes",
    "hardware",
    "hardware.cann",
)


class Question(NamedTuple):
    """What is asked; `against` (mode, generation) asks for the difference.

    `graph` is a file, None for LeNet as `settings` describe it; `fetches` are of that file.
    `session` asks for the chip's session configuration instead of a plan, `phase` for the graph
    after that phase of the compiler.
    """

    settings: Settings
    against: Optional[Tuple[str, str]]
    graph: Optional[Path]
    fetches: Tuple[str, ...]
    inference: bool
    summary: bool
    format: str
    session: bool
    phase: Optional[str]


def read(typed: Sequence[str]) -> Question:
    """Return what the words of a command line ask.

    Raises:
        ConfigError: with the key, the value, what is allowed and what to type instead.
    """
    own, others = options.split(typed, {key: _good(key) for key in _OWN}, PROGRAM)
    _check_own(own, others)
    settings = options.settings(others, PROGRAM)
    return Question(
        settings,
        _against(own.get("diff"), settings),
        options.path("graph", own["graph"], f"{PROGRAM} graph=FILE") if "graph" in own else None,
        tuple(filter(None, own.get("fetches", "").strip("[]").replace(" ", "").split(","))),
        own.get("inference") == "true",
        own.get("summary") == "true",
        own.get("format", "table"),
        own.get("session") == "true",
        own.get("phase"),
    )


def _good(key: str) -> str:
    good = {
        "diff": "force_fp16",
        "format": "csv",
        "graph": "FILE",
        "fetches": "[NAME]",
        "phase": "fuse",
    }
    return good.get(key, "true")


def _check_own(own: Mapping[str, str], others: Sequence[str]) -> None:
    options = {
        "diff": (*PRECISION_MODES, *_GENERATIONS),
        "format": _FORMATS,
        "summary": ("true", "false"),
        "inference": ("true", "false"),
        "session": ("true", "false"),
        "phase": PHASES,
    }
    for key, value in own.items():
        if key in options and value not in options[key]:
            meant = suggest.close_to(value, options[key]) or _good(key)
            raise ConfigError(key, value, " | ".join(options[key]), f"{PROGRAM} {key}={meant}")
        if key in ("graph", "fetches") and not value.strip("[]"):
            raise ConfigError(key, value, "a file" if key == "graph" else "names", _example(key))
    _check_exclusive(own)
    if "fetches" in own and "graph" not in own:
        raise ConfigError("fetches", own["fetches"], "only with graph=FILE", _example("fetches"))
    if "graph" in own:
        _check_beside_graph(own, others)


def _check_exclusive(own: Mapping[str, str]) -> None:
    if own.get("session") == "true" and len(own) > 1:
        others_of_own = ", ".join(sorted(set(own) - {"session"}))
        allowed = f"session=true or {others_of_own}, not both: a session has no plan"
        raise ConfigError("session", "true", allowed, f"{PROGRAM} session=true")
    if own.get("summary") == "true" and "diff" in own:
        remedy = f"{PROGRAM} diff={own['diff']}"
        raise ConfigError("summary", "true", "diff= or summary=true, not both", remedy)
    if "phase" in own and ("diff" in own or own.get("summary") == "true"):
        remedy = f"{PROGRAM} phase={own['phase']}"
        allowed = "without diff= and summary=true: a phase has one graph, in full"
        raise ConfigError("phase", own["phase"], allowed, remedy)


def _example(key: str) -> str:
    return f"{PROGRAM} graph=FILE" + (" fetches=[NAME]" if key == "fetches" else "")


def _check_beside_graph(own: Mapping[str, str], others: Sequence[str]) -> None:
    allowed = "with graph=FILE only precision, hardware.cann and the keys of explain"
    if own.get("inference") == "true":
        remedy = f"{_example('fetches')}, with the network's output"
        raise ConfigError("inference", "true", allowed, remedy)
    for word in others:
        key, _, value = word.partition("=")
        known = key in (*all_keys(), *groups(), *suggest.PRESETS)
        if known and key not in _OF_ANY_GRAPH:
            raise ConfigError(key, value, allowed, f"{PROGRAM} graph={own['graph']}")


def _against(diff: Optional[str], settings: Settings) -> Optional[Tuple[str, str]]:
    if diff is None:
        return None
    mode, generation = settings.precision.mode, settings.hardware.cann
    if diff in (mode, generation):
        other = [m for m in (*PRECISION_MODES[::-1], *_GENERATIONS) if m not in (mode, generation)]
        allowed = f"another one; {diff} is what it would be compared with"
        raise ConfigError("diff", diff, allowed, f"{PROGRAM} precision={mode} diff={other[0]}")
    return (mode, diff) if diff in _GENERATIONS else (diff, generation)
