"""Values in the grammar of a command line, which is Hydra's: of JSON from scripts, of any text."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any, List, Mapping, Sequence

from lenet_exp.config.schema.modes import with_one_name


def as_hydra_reads(words: Sequence[str]) -> List[str]:
    """Return the words, a JSON object in one as a mapping of Hydra's, which has no quoted keys.

    `key={"a":"b","c":true}` becomes `key={a:"b",c:true}`. A precision mode gets the name of its
    file; nothing else is changed.
    """
    return [_as_mapping(word) for word in with_one_name(words)]


def _as_mapping(word: str) -> str:
    key, _, text = word.partition("=")
    if not re.match(r'\s*{\s*"', text):  # Hydra takes no such value
        return word
    try:
        return f"{key}={as_value(json.loads(text))}"
    except ValueError:
        return word


def as_value(value: Any) -> str:
    """Return a value in Hydra's grammar, texts quoted; raises ValueError for an odd key."""
    if isinstance(value, dict):
        if not all(re.fullmatch(r"[A-Za-z_]\w*", str(name), re.ASCII) for name in value):
            raise ValueError
        return "{" + ",".join(f"{name}:{as_value(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(as_value, value)) + "]"
    if isinstance(value, str):  # a backslash is special only before a quote
        return '"{}"'.format(re.sub(r'(\\*)("|$)', r"\1\1\2", value).replace('"', '\\"'))
    return json.dumps(value)


def argument(key: str, value: Any) -> str:
    """Return what a shell takes for a key and its value."""
    return shlex.quote(word(key, value))


def word(key: str, value: Any) -> str:
    """Return a key and its value as a program is given them."""
    whole = isinstance(value, str) and re.fullmatch("0|[1-9][0-9]{0,8}", value)
    return f"{key}={value if whole else as_typed(value)}"


_REFERENCE = re.compile(r"(\\*)\$\{")  # to another key
_PLAIN = re.compile(r"(?!(true|false|null|nan|inf)$)[a-z_./][\w./+-]*", re.IGNORECASE | re.ASCII)


def escaped(text: str) -> str:
    """Return what OmegaConf resolves to a text; only before ${ a backslash is special."""
    return _REFERENCE.sub(r"\1\1\\${", text)


def as_typed(value: Any) -> str:
    """Return a value in Hydra's grammar, in quotes only what needs them."""
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) else as_value(escaped(value))
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(as_typed, value)) + "]"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{name}:{as_typed(each)}" for name, each in value.items()) + "}"
    return json.dumps(value)
