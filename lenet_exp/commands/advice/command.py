"""What was decided -> the line of a shell for it, composed before anybody is told to type it."""

from __future__ import annotations

import dataclasses
import hashlib
import shlex
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

from lenet_exp.config import checks
from lenet_exp.config.chip import machine
from lenet_exp.config.chip.checks import EMULATED
from lenet_exp.config.cli import json_words
from lenet_exp.config.cli.command_line import settings_to_explain
from lenet_exp.config.cli.graph_options import ExplainOptions
from lenet_exp.config.cli.options import list_of
from lenet_exp.config.input_shapes import InputShapes
from lenet_exp.config.run_words import words_of
from lenet_exp.config.schema.hardware import Chip, Hardware
from lenet_exp.config.schema.run import PRECISION_FILES, Precision, Settings
from lenet_exp.errors import ConfigError

_FILES = tuple(f"precision.{key}" for key in PRECISION_FILES)


def under(
    settings: Settings, mode: str, keep_dtype: Sequence[str], files: Mapping[str, str]
) -> Settings:
    """Return settings with this mode, these kept operators and the vendor's files, by key, alone.

    Only a CPU's graph is marked with `keep_dtype`, so of a chip, also one that `auto` finds, the
    chip's mode is emulated then, unless an option that only the chip has decides types too.
    """
    named: Dict[str, Any] = {key: files.get(key) for key in PRECISION_FILES}
    precision = dataclasses.replace(
        settings.precision, mode=mode, keep_dtype=tuple(keep_dtype), **named
    )
    return dataclasses.replace(
        settings, precision=precision, hardware=_hardware(settings, precision)
    )


def _hardware(settings: Settings, precision: Precision) -> Hardware:
    chip, mode = settings.hardware, precision.mode
    is_emulated = any(getattr(precision, key) for key in EMULATED)
    on_chip = machine.found(chip.name) != "cpu"
    if on_chip and is_emulated and getattr(chip, "fusion_switch_file", None) is None:
        return Hardware("cpu", chip.cann, chip.on_refused)
    if not isinstance(chip, Chip):
        return chip
    said: Dict[str, Any] = dict.fromkeys(PRECISION_FILES)
    said.update({} if mode == settings.precision.mode else {"precision_mode_v2": None})
    return dataclasses.replace(chip, **said)


def precision_words(settings: Settings, without: Sequence[str] = ()) -> List[str]:
    """Return the words of settings, those of the precision first, and its mode in any case."""
    found = words_of(settings, without)
    mine = [word for word in found if word.startswith("precision.")]
    kept = [word for word in mine if not word.startswith("precision.mode=")]
    others = [word for word in found if word not in mine]
    return [f"precision={settings.precision.mode}", *kept, *others]


def graph_words(
    graph: Path,
    fetches: Sequence[str],
    batch: Optional[int] = None,
    shapes: Optional[InputShapes] = None,
) -> List[str]:
    """Return the words of explain that name a graph, what is fetched of it, and its inputs."""
    words = [f"graph={graph}"]
    words += [f"fetches={list_of(fetches)}"] if fetches else []
    words += [f"batch={batch}"] if batch is not None else []
    return [*words, *([f"shapes={shapes}"] if shapes else [])]


def line(verb: str, words: Sequence[str]) -> str:
    """Return the line of run or explain.

    Raises:
        ConfigError: the verb would refuse it. What is only so on another machine is no reason.
    """
    # A file that is still to be written holds up nothing.
    held = [
        json_words.word(each.partition("=")[0], __file__) if each.startswith(_FILES) else each
        for each in words
    ]
    if verb == "explain":
        ExplainOptions.read(held)
    else:
        checks.check_generation(settings_to_explain(held))
    return shell_line(verb, words)


def shell_line(verb: str, words: Sequence[str]) -> str:
    """Return a verb and its words as a shell takes them."""
    return " ".join([f"python -m lenet_exp.{verb}", *map(shlex.quote, words)])


def not_taken(error: ConfigError) -> str:
    """Return why there is no line, in one."""
    key, value, allowed, _ = error.args
    return f"no command takes it: {key}={value} is not possible, allowed is {allowed}"


def sweep_name(words: Sequence[str]) -> str:
    """Return the name of the sweep of these words: the same ones go on with the same sweep."""
    return f"advice-{hashlib.sha256(chr(10).join(words).encode()).hexdigest()[:8]}"
