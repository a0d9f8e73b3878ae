"""JSON in a word of a command line, as people copy it from scripts for npu_bridge."""

from __future__ import annotations

import json
import re
from typing import Any, List, Sequence

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
        return f"{key}={_typed(json.loads(text))}"
    except ValueError:
        return word


def _typed(value: Any) -> str:
    """Return a value in Hydra's grammar; raises ValueError for a key that has no place there."""
    if isinstance(value, dict):
        if not all(re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) for name in value):
            raise ValueError
        return "{" + ",".join(f"{name}:{_typed(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_typed, value)) + "]"
    if isinstance(value, str):  # a backslash is special only before a quote
        return '"{}"'.format(re.sub(r'(\\*)("|$)', r"\1\1\2", value).replace('"', '\\"'))
    return json.dumps(value)
