"""What a YAML text would become, looked at before it becomes that; and where a key stands in it."""

from __future__ import annotations

from typing import Any, Dict, Optional, Sequence

import yaml

_LONGEST = 500_000  # characters; a loader takes some seconds for so many
_MOST = 100_000  # values that all aliases together stand for
_MOST_REFERENCES = 1_000  # ${key}: each takes a fourth of a millisecond to read
_A_VALUE = 50  # characters that weigh as much as one more value


def problem_of(text: str) -> str:
    """Return why a text would take too much time or memory, or nothing.

    An alias costs nothing to read, and each place where it stands costs all that it stands for.

    Raises:
        YAMLError: it is no YAML.
        RecursionError: it is nested too deep.
    """
    if len(text) > _LONGEST:
        return f"has {len(text)} characters, and settings have at most {_LONGEST}"
    if text.count("${") > _MOST_REFERENCES:
        return f"has more than {_MOST_REFERENCES} references ${{...}}"
    try:
        size = _size(yaml.compose(text, Loader=yaml.SafeLoader), {})
    except _CycleError:
        return "has an alias inside what it stands for"
    return "" if size <= _MOST else f"has aliases that stand for more than {_MOST} values"


def line_of(text: str, path: Sequence[str]) -> Optional[int]:
    """Return the line, from 1 on, in which a key of nested mappings stands; None if none does."""
    node, line = yaml.compose(text, Loader=yaml.SafeLoader), None
    for name in path:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        found = [(key, value) for key, value in pairs if key.value == name]
        if not found:
            return None
        line, node = found[-1][0].start_mark.line + 1, found[-1][1]
    return line


class _CycleError(Exception):
    """A node is a part of itself."""


def _size(node: Any, known: Dict[int, int]) -> int:
    """Return how many values a node is, its aliases expanded; `known` has 0 of one under way."""
    if node is None or isinstance(node, yaml.ScalarNode):
        return 1 if node is None else 1 + len(node.value) // _A_VALUE
    if known.get(id(node)) == 0:
        raise _CycleError
    if id(node) not in known:
        known[id(node)] = 0
        pairs = isinstance(node, yaml.MappingNode)
        parts = [part for pair in node.value for part in pair] if pairs else node.value
        known[id(node)] = 1 + sum(_size(part, known) for part in parts)
    return known[id(node)]
