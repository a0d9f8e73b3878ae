"""Values in the grammar of a command line, which is Hydra's: of JSON from scripts, of any text."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
from typing import Any, List, Mapping, Sequence

from lenet_exp.config.schema.modes import with_one_name


def as_hydra_reads(words: Sequence[str]) -> List[str]:
    """Return the words, a JSON object in one as a mapping of Hydra's, which has no quoted keys.

    `key={"a":"b","c":true}` becomes `key={a:"b",c:true}`. A precision mode gets the name of its
    file, and a name that looks like a number its quotes; nothing else is changed.
    """
    return [_with_names(_as_mapping(word)) for word in with_one_name(words)]


_IN_ZIP = re.compile(r"([\w.]+)(=)([^\s()'\"]+)")
_IN_MAPPING = re.compile(r"(?<=[{,])(\s*[\w.]+\s*)(:)([^][,(){}:'\"]+)(?=[,}])")
_CHOICE = re.compile(r"(choice\(|)([^][(){}'\"$\\]*)(\)|)")


def _with_names(word: str) -> str:
    """Return a word in which each name that Hydra would make a number of is a text: 1.10 no 1.1."""
    for begin, form in (("zip(", _IN_ZIP), ("jobs=", _IN_MAPPING)):
        if word.startswith(begin):
            return form.sub(lambda found: _with_name(*found.groups()), word)
    return _with_name(*word.partition("="))


def _with_name(key: str, between: str, text: str) -> str:
    from lenet_exp.config.schema.run import takes_text  # noqa: PLC0415 - it needs this module

    name, choice = key.strip().lstrip("+"), _CHOICE.fullmatch(text)
    if choice is None or not any(map(_is_rewritten, choice[2].split(","))):
        return f"{key}{between}{text}"
    each = (
        as_value(part.strip()) if _is_rewritten(part) and takes_text(name, part.strip()) else part
        for part in choice[2].split(",")
    )
    return f"{key}{between}{choice[1]}{','.join(each)}{choice[3]}"


def _is_rewritten(text: str) -> bool:
    """Return whether a text is a number that Python would write otherwise."""
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return str(kind(text)) != text.strip()
    return False


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
