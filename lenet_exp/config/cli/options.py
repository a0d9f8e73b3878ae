"""Words of a command line: the command's own keys, with their text, and those of a run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Dict, List, Mapping, Sequence, Tuple

from lenet_exp.config.cli import suggest
from lenet_exp.config.cli.command_line import settings_to_explain
from lenet_exp.config.schema.run import Settings, all_keys, groups
from lenet_exp.errors import ConfigError


def split(
    words: Sequence[str], own: Mapping[str, str], program: str
) -> Tuple[Dict[str, str], List[str]]:
    """Return the given keys of `own` with their text, and the other words.

    Args:
        words: as typed, key=value each.
        own: each key of the command's own, with a value that works.
        program: what the remedies begin with.

    Raises:
        ConfigError: a word has dashes or no value, or is a misspelt key of `own`.
    """
    given: Dict[str, str] = {}
    others = []
    for word in words:
        key, equals, value = word.partition("=")
        if key.startswith("-"):
            plain = key.lstrip("-").replace("-", "_")
            known = f"{program} {plain}={value or own[plain]}" if plain in own else ""
            allowed = "key=value without dashes, and --help"
            raise ConfigError(word, None, allowed, known or f"{program} --help")
        if key in own:
            if not equals:
                raise ConfigError(word, None, "key=value", f"{program} {key}={own[key]}")
            given[key] = value
            continue
        meant = None if key in (*all_keys(), *groups()) else suggest.close_to(key, own)
        if meant:
            allowed, remedy = f"no such key; {meant} is one", f"{program} {meant}="
            raise ConfigError(key, value or None, allowed, remedy + (value or own[meant]))
        others.append(word)
    return given, others


def settings(words: Sequence[str], program: str) -> Settings:
    """Return the settings of a run's words, for a command that doesn't train.

    Raises:
        ConfigError: as a run's, with remedies of `program`.
    """
    try:
        return settings_to_explain(words)
    except ConfigError as error:  # its remedy is for a run, and works here too
        key, value, allowed, remedy = error.args
        raise ConfigError(key, value, allowed, remedy.replace(suggest.PROGRAM, program)) from error


def path(key: str, text: str, command: str) -> Path:
    """Return the path that was typed.

    Raises:
        ConfigError: it begins with the home of no user; `command` is one that works.
    """
    expanded = os.path.expanduser(text)  # noqa: PTH111 - this one doesn't raise
    if text.startswith("~") and expanded == text:
        raise ConfigError(key, text, "a path that exists", command)
    return Path(expanded)
