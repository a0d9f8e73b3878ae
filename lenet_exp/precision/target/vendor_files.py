"""What is in a file of the vendor's that an option names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Tuple, Union

from lenet_exp.errors import PrecisionError

_COMMENTS = ("//", "/*", "#")


def read_text(option: str, path: Union[str, Path], what: str) -> str:
    """Return the text of the file that an option names; `what` it is to be: JSON, text.

    Raises:
        PrecisionError: it can't be read.
    """
    try:
        if Path(path).exists() and not Path(path).is_file():  # a pipe or /dev/zero has no end
            raise ValueError("it is no regular file")
        return Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        problem = f"it can't be read ({error})"
        raise PrecisionError(f"{option} {path}", problem, f"the path of a {what} file") from error


def text_given(option: str, source: Union[str, Path], example: str) -> Tuple[str, str]:
    """Return what an error calls a JSON source, a path or text in braces, and its text.

    Raises:
        PrecisionError: it can't be read, or nothing is in it.
    """
    inline = isinstance(source, str) and source.lstrip().startswith("{")
    where = option if inline else f"{option} {source}"
    text = str(source) if inline else read_text(option, source, "JSON")
    if not text.strip():
        raise PrecisionError(where, "it is empty", example)
    return where, text


def parsed_json(text: str) -> Any:
    """Return what a JSON text holds; a byte order mark is skipped, as the vendor's reader does.

    Raises:
        ValueError: it is none, says where and why, and names a comment as such.
    """
    try:
        content = json.loads(text.lstrip("\ufeff"))
        json.dumps(content, ensure_ascii=False).encode()  # half a character can't be printed
    except json.JSONDecodeError as error:
        begin = error.doc[error.pos :].lstrip()
        mark = next((mark for mark in _COMMENTS if begin.startswith(mark)), "")
        if not mark:
            raise
        line = error.doc.count("\n", 0, len(error.doc) - len(begin)) + 1
        raise ValueError(f"line {line} has a comment, {mark}, and JSON has none") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return content
