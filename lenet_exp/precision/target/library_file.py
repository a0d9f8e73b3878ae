"""The file of an operator library: its content, checked, before anything is made of it.

Its form is that of `ascend910_ops.json`: precision-modes.md 3.2.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, Iterator, Mapping, Tuple, Union

from lenet_exp.errors import PrecisionError
from lenet_exp.precision.target.vendor_files import parsed_json, read_text

LETTERS = {
    "h": "float16",
    "f": "float32",
    "i": "int32",
    "l": "int64",
    "b": "bool",
    "c": "int8",
    "u": "uint8",
    "d": "float64",
    "s": "int16",
    "t": "uint16",
    "v": "uint32",
    "w": "uint64",
}
_NAMES, _NAMES_NEEDED = "an array of names", "an array of one name or more"
_LISTS = ("pr", "pr_2021")
# Lists of names besides the operators: a section, and its key.
_SECTIONS = (("ai_cpu_fallback", "ops"), ("own_engines", "local"), ("own_engines", "runtime"))


def library_content(library: Union[str, Path, Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return what a library's file, or the object given in its place, holds.

    Raises:
        PrecisionError: it can't be read, or it is not of the form.
    """
    content: Any = library
    if isinstance(library, (str, Path)):
        text = read_text("library", library, "JSON")
        try:
            content = parsed_json(text)
        except ValueError as error:
            raise _not_a_library(str(library), f"can't be read as JSON ({error})") from error
    if not isinstance(content, Mapping) or not isinstance(content.get("ops"), Mapping):
        raise _not_a_library("library", 'has no object "ops"')
    # One after the other: each stands on what was found to be right before.
    stands = itertools.chain(_of_operators(content["ops"]), _of_sections(content))
    for where, value, wanted in stands:
        if not _fits(value, wanted):
            raise _not_a_library(f"library {where}", f"is {str(value)[:60]}, and not {wanted}")
    for name, entry in content["ops"].items():
        _check_columns(name, entry)
    return content


def _not_a_library(what: str, problem: str) -> PrecisionError:
    form = "a file of the form of lenet_exp/precision/target/ascend910_ops.json"
    return PrecisionError(what, problem, form)


def _of_operators(operators: Mapping[str, Any]) -> Iterator[Tuple[str, Any, str]]:
    """Yield where what stands, and what has to stand there."""
    for name, entry in operators.items():
        yield name, entry, "an object"
        for key in ("in", "out"):
            yield f'{name} "{key}"', entry.get(key), _NAMES
        for key in ("tf", "cols", "other", "cols_2021", "other_2021"):
            yield f'{name} "{key}"', entry.get(key) or [], _NAMES
        for key in _LISTS:
            yield f'{name} "{key}"', entry.get(key), "true (white), false (black) or null (gray)"


def _of_sections(content: Mapping[str, Any]) -> Iterator[Tuple[str, Any, str]]:
    yield '"fp16_first"', content.get("fp16_first", []), _NAMES
    for section, key in (("ai_cpu_only", "ops"), *_SECTIONS):
        found = content.get(section, {})
        yield f'"{section}"', found, "an object"
        if section != "ai_cpu_only":
            yield f'"{section}" "{key}"', found.get(key, []), _NAMES
            continue
        yield f'"{section}" "{key}"', found.get(key, {}), "an object"
        for name, about in found.get(key, {}).items():
            yield f'"{section}" {name}', about, _NAMES_NEEDED


def _fits(value: Any, wanted: str) -> bool:
    if wanted == "an object":
        return isinstance(value, Mapping)
    if wanted in (_NAMES, _NAMES_NEEDED):
        listed = isinstance(value, (list, tuple)) and all(isinstance(each, str) for each in value)
        return listed and (bool(value) or wanted == _NAMES)
    return value is None or isinstance(value, bool)


def _check_columns(name: str, entry: Mapping[str, Any]) -> None:
    """Refuse a column that does not fit; the operators of 2021 may lack the last tensors."""
    wanted = [len(entry[key]) for key in ("in", "out")]
    for key in ("cols", "other", "cols_2021", "other_2021"):
        for text in entry.get(key) or ():
            sides = text.split(">")
            counts = [len(side) for side in sides]
            known = len(sides) == 2 and set("".join(sides)) <= {*LETTERS}
            short = key.endswith("_2021") and all(a <= b for a, b in zip(counts, wanted))
            if not known or not (counts == wanted or short):
                allowed = " ".join(f"{letter} {dtype}" for letter, dtype in LETTERS.items())
                like = f"a letter for each input, > and a letter for each output: {allowed}"
                raise _not_a_library(
                    "library", f'{name} has the column "{text}"; a column is {like}'
                )
