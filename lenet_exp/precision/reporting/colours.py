"""Colour for a report on a terminal: float16 in one, float32 in another, refusals in a third."""

from __future__ import annotations

import re
from typing import IO, Mapping

from lenet_exp.precision.reporting.letters import ANY_OTHER, LETTERS

_HALF, _SINGLE, _REFUSED, _SLOW = "36", "33", "1;31", "35"  # cyan, yellow, bold red, magenta
_WORDS = {
    "float16": _HALF, "float32": _SINGLE,
    "refused": _REFUSED, "refuses": _REFUSED, "ai_cpu": _SLOW, "AI CPU": _SLOW,
}  # fmt: skip
_LETTER = {"h": _HALF, "f": _SINGLE}
_DTYPES = f"[0-9{''.join(LETTERS)}{re.escape(ANY_OTHER)}]"
_TYPES = re.compile(rf"(?<!\S)(?:{_DTYPES}*>{_DTYPES}+|[hf](?= float))(?!\S)")
_WORD = re.compile(rf"(?<![\w/]){'(' + '|'.join(_WORDS) + ')'}(?![\w/])")


def wanted(stream: IO[str], environ: Mapping[str, str]) -> bool:
    """Return whether a stream is a terminal that takes colour, and nobody asks for none.

    Source: no-color.org.
    """
    takes = environ.get("TERM", "dumb") != "dumb" and not environ.get("NO_COLOR")
    return takes and stream.isatty()


def painted(text: str) -> str:
    """Return a report's text with its types coloured; without the codes it is the same."""
    text = _TYPES.sub(lambda match: _letters(match.group()), text)
    return _WORD.sub(lambda match: _in(_WORDS[match.group()], match.group()), text)


def _letters(types: str) -> str:
    return re.sub(r"\d*([hf])\1*", lambda match: _in(_LETTER[match.group(1)], match.group()), types)


def _in(code: str, text: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m"
