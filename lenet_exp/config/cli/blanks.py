"""Blanks where a command line has an equals sign alone."""

from __future__ import annotations

import re
import shlex
from typing import Optional, Sequence, Tuple

from lenet_exp.config.cli.suggest import PRESETS
from lenet_exp.config.schema.run import all_keys, groups
from lenet_exp.errors import ConfigError

_KEY = re.compile(r"(--|\+{0,2})[A-Za-z_][\w./-]*", re.ASCII)


def check_equals_signs(program: str, words: Sequence[str]) -> None:
    """Raise ConfigError for `key = value`, `key= value`, `key =value` and `key value`."""
    for at in range(len(words)):
        found = _key_and_value(words[at:])
        if found:
            count, key, value = found
            typed = " ".join(words[at : at + count])
            good = f"{program} {key}={shlex.quote(value)}"
            raise ConfigError(typed, None, "key=value, with no blanks around =", good)


def _key_and_value(words: Sequence[str]) -> Optional[Tuple[int, str, str]]:
    """Return how many of the first words were meant as key=value, and both; None where none."""
    first, second, third = (*words, "", "")[:3]
    apart = re.fullmatch(rf"({_KEY.pattern})\s+=\s*(.*)", first, re.DOTALL)
    if apart:
        return 1, apart[1], apart[3]
    key, equals, rest = first.partition("=")
    if rest or not _KEY.fullmatch(key):
        return None
    if not equals and second == "=" and _is_value(third):
        return 3, key, third
    if not equals and second.startswith("=") and second != "=":
        return 2, key, second[1:]
    known = key in (*all_keys(), *groups(), *PRESETS)
    return (2, key, second) if (equals or known) and _is_value(second) else None


def _is_value(word: str) -> bool:
    return word != "" and "=" not in word and not word.startswith("-")
