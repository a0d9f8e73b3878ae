"""What a person can write to change an operator's types: one line, one name, or one word.

Sources: precision-modes.md 2 and 6.4 to 6.6.
"""

from __future__ import annotations

import json
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Sequence, Tuple

from lenet_exp.precision.plan import Operator
from lenet_exp.precision.planning.compilation import PlanOptions
from lenet_exp.precision.planning.dtype_overrides import as_line, text_of
from lenet_exp.precision.planning.options import unread
from lenet_exp.precision.target.modes import Colour, Generation, Mode, TextEnum
from lenet_exp.precision.target.op_lists import Change as ListChange
from lenet_exp.precision.target.op_lists import as_lists, read_changes
from lenet_exp.precision.target.operator_library import column_types, node_columns

HALF = "float16"
_FLOATS = ("float16", "float32")
_LINES, _LISTS, _KEEP = "customize_dtypes", "modify_mixlist", "keep_dtype"
_LONG = 1000  # a line of the vendor's; inputs of that number are of one kind, the first says all
_COLOURS = (Colour.BLACK, Colour.WHITE, Colour.GRAY)


class Kind(TextEnum):
    """Ways to write a change, the narrowest first."""

    LINE = "customize_dtypes"
    NAME = "keep_dtype"
    NAME_REMOVED = "keep_dtype without"
    TYPE_LINE = "customize_dtypes of a type"
    SCOPE = "keep_dtype of a scope"
    LIST = "modify_mixlist"
    MODE = "precision"


class Change(NamedTuple):
    """One entry that is written; `arguments`: all of `assign`'s, with it."""

    kind: Kind
    entry: str
    arguments: Mapping[str, Any]


def changes(
    row: Operator, types: Sequence[str], options: PlanOptions, arguments: Mapping[str, Any]
) -> Iterator[Change]:
    """Yield what may give an operator another float type, in the order of `Kind`.

    Args:
        row: the operator as it is.
        types: the chip's types of it and of those that it follows.
        options: what the plan was made by.
        arguments: the same as the keywords of `assign`.
    """
    mode, age = options.mode.value, options.generation.value
    is_half = HALF in (*row.inputs, *row.outputs)
    by_lines = unread(_LINES, mode, age) is None and options.mode is not Mode.MUST_KEEP
    columns = _columns(row, options, not is_half) if by_lines else []
    yield from _by_lines(Kind.LINE, f"{row.name}::", columns, row, arguments)
    yield from _by_names(row, arguments)
    yield from _by_lines(Kind.TYPE_LINE, f"OpType::{row.ge_type}:", columns, row, arguments)
    yield from _by_scopes(row, arguments)
    if unread(_LISTS, mode, age) is None:
        yield from _by_lists(types, options, arguments)
    for other in Mode:
        if other is not options.mode:
            kept = _read_by(other, age, arguments)
            yield Change(Kind.MODE, other.value, {**kept, "mode": other.value})


def _columns(row: Operator, options: PlanOptions, half: bool) -> List[Tuple[str, ...]]:
    """Return the types that an operator's kernels take, with or without float16 among them."""
    entry = options.library.operators.get(row.ge_type)
    sizes = len(row.inputs), len(row.outputs)
    found = node_columns(entry, *sizes) if entry is not None else None
    origin = (*row.origin_inputs, *row.origin_outputs)
    made = dict.fromkeys(column_types(column, origin) for column in found or ())
    return [types for types in made if (HALF in types) is half and _same_kinds(types, origin)]


def _same_kinds(types: Sequence[str], origin: Sequence[str]) -> bool:
    return all(a == b or {a, b} <= {*_FLOATS} for a, b in zip(types, origin))


def _by_lines(
    kind: Kind,
    begin: str,
    columns: Sequence[Tuple[str, ...]],
    row: Operator,
    arguments: Mapping[str, Any],
) -> Iterator[Change]:
    """Yield a line for each kernel, in front of those that are there: the first one counts."""
    before = _text(arguments.get(_LINES))
    count = len(row.inputs)
    for types in columns:
        line = as_line(begin, types[:count], types[count:])
        line = line if len(line) < _LONG else as_line(begin, types[:1], types[count:])
        yield Change(kind, line, {**arguments, _LINES: f"{line}\n{before}"})


def _text(source: Any) -> str:
    if source is None:
        return ""
    return text_of(source)


def _by_names(row: Operator, arguments: Mapping[str, Any]) -> Iterator[Change]:
    kept = tuple(arguments.get(_KEEP, ()))
    yield Change(Kind.NAME, row.name, {**arguments, _KEEP: (*kept, row.name)})
    for name in dict.fromkeys(kept):
        if any(part == name or part.startswith(f"{name}/") for part in (row.name, *row.parts)):
            left = tuple(each for each in kept if each != name)
            yield Change(Kind.NAME_REMOVED, name, {**arguments, _KEEP: left})


def _by_scopes(row: Operator, arguments: Mapping[str, Any]) -> Iterator[Change]:
    kept = tuple(arguments.get(_KEEP, ()))
    parts = row.name.split("/")[:-1]
    for depth in range(len(parts), 0, -1):
        scope = "/".join(parts[:depth])
        yield Change(Kind.SCOPE, scope, {**arguments, _KEEP: (*kept, scope)})


def _by_lists(
    types: Sequence[str], options: PlanOptions, arguments: Mapping[str, Any]
) -> Iterator[Change]:
    source = arguments.get(_LISTS)
    before = {} if source is None else read_changes(source)
    for ge_type in dict.fromkeys(types):
        entry = options.library.operators.get(ge_type)
        for colour in _COLOURS if entry is not None else ():
            if entry is None or colour is options.colour(ge_type):
                continue
            left = {name: change for name, change in before.items() if name != ge_type}
            wanted = _moved(entry.colour, colour)
            written = left if wanted is None else {**left, ge_type: wanted}
            content = as_lists(written)
            shown = as_lists({} if wanted is None else {ge_type: wanted})
            kept = {key: value for key, value in arguments.items() if key != _LISTS}
            changed = {**kept, _LISTS: content} if content else kept
            text = json.dumps(shown) if shown else f"no entry of {ge_type}"
            yield Change(Kind.LIST, text, changed)


def _moved(library: Colour, colour: Colour) -> Any:
    """Return what moves a type from its list in the library to another; None: nothing has to."""
    if library is colour:
        return None
    if colour is Colour.GRAY:
        return ListChange((), (library,))
    return ListChange((colour,), ())


def _read_by(mode: Mode, generation: str, arguments: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the arguments without the files that another mode does not read."""
    files = (_LINES, _LISTS)
    unwanted = [key for key in files if unread(key, mode.value, Generation(generation).value)]
    return {key: value for key, value in arguments.items() if key not in unwanted}
