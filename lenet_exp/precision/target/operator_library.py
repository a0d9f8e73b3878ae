"""The operator library: which types an operator's kernels take, and its list.

Source: precision-modes.md 3. The shipped table, `ascend910_ops.json`, was generated from the
operator information of CANN 8.1.RC1 and of the public operator repository of 24 February 2021;
what these lack is as in that repository on 29 June 2022.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any, Dict, FrozenSet, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from lenet_exp.precision.target.library_file import LETTERS, library_content
from lenet_exp.precision.target.modes import Colour, Generation

_COLOURS = {True: Colour.WHITE, False: Colour.BLACK, None: Colour.GRAY}
_SHIPPED = Path(__file__).with_name("ascend910_ops.json")

LibraryInput = Union[None, str, Path, Mapping[str, Any]]
# None: the column says nothing about this tensor, which keeps its type.
NodeColumn = Tuple[Optional[str], ...]


class Column(NamedTuple):
    """The dtype names of all inputs and outputs of one kernel."""

    inputs: Tuple[str, ...]
    outputs: Tuple[str, ...]


class GeOperator(NamedTuple):
    """One operator type. `columns` is None if they are not known.

    `by_code`: a function of the vendor's computes them; known are those of a float32 input.
    """

    name: str
    inputs: Tuple[str, ...]
    outputs: Tuple[str, ...]
    columns: Optional[Tuple[Column, ...]]
    colour: Colour
    null: bool
    unit: str
    by_code: bool


class OperatorLibrary(NamedTuple):
    """The table of one generation.

    `operators` by GE type; `forms` the GE types of a TensorFlow type; `full_inputs` the input
    names of a TensorFlow type's largest form, of whichever generation. `ai_cpu_only` and
    `own_engines` are names, TensorFlow's included: operators that only the AI CPU has, and those
    that the compiler runs itself, on engines that choose no types.
    """

    operators: Mapping[str, GeOperator]
    forms: Mapping[str, Tuple[str, ...]]
    full_inputs: Mapping[str, Tuple[str, ...]]
    fp16_first: FrozenSet[str]
    ai_cpu_only: FrozenSet[str]
    ai_cpu_fallback: FrozenSet[str]
    own_engines: FrozenSet[str]


def load_library(library: LibraryInput, generation: Generation) -> OperatorLibrary:
    """Return the table of one generation, of the shipped file unless another is given.

    Args:
        library: a path, or the parsed JSON; its form is that of the shipped file.
        generation: "2021" reads the fields `*_2021` and has no float16-first list (5.2).

    Raises:
        PrecisionError: the file is missing, is no JSON, or is not of the form.
    """
    return (
        _shipped(generation) if library is None else _parsed(library_content(library), generation)
    )


@functools.lru_cache(maxsize=None)
def _shipped(generation: Generation) -> OperatorLibrary:
    return _parsed(json.loads(_SHIPPED.read_text()), generation)


def _parsed(content: Mapping[str, Any], generation: Generation) -> OperatorLibrary:
    old = generation is Generation.FEBRUARY_2021
    absent = "only_today" if old else "only_2021"
    entries = content["ops"]
    operators = {
        name: _operator(name, entry, old)
        for name, entry in entries.items()
        if not entry.get(absent, False)
    }
    forms: Dict[str, List[str]] = {}
    for name in operators:
        for tf_type in entries[name].get("tf") or ():
            forms.setdefault(tf_type, []).append(name)
    own = content.get("own_engines", {})
    return OperatorLibrary(
        operators,
        {tf_type: tuple(names) for tf_type, names in forms.items()},
        _full_inputs(entries),
        frozenset(() if old else content.get("fp16_first", ())),
        _ai_cpu_only(content, operators),
        frozenset(content.get("ai_cpu_fallback", {}).get("ops", ())),
        frozenset((*own.get("local", ()), *own.get("runtime", ()))),
    )


def _ai_cpu_only(content: Mapping[str, Any], operators: Mapping[str, GeOperator]) -> FrozenSet[str]:
    """Return the names that only the AI CPU has.

    Of what the AI core of 2021 lacked, that is what has an AI CPU kernel beside it today: the
    AI CPU ran TensorFlow's kernels from the beginning.
    """
    only = content.get("ai_cpu_only", {}).get("ops", {})
    names = [alias for name, (_, *others) in only.items() for alias in (name, *others)]
    for name in content.get("ai_cpu_fallback", {}).get("ops", ()):
        if name not in operators:
            names += (name, *(content["ops"].get(name, {}).get("tf") or ()))
    return frozenset(names)


def _full_inputs(entries: Mapping[str, Any]) -> Dict[str, Tuple[str, ...]]:
    full: Dict[str, Tuple[str, ...]] = {}
    for entry in entries.values():
        for tf_type in entry.get("tf") or ():
            if len(entry["in"]) > len(full.get(tf_type, ())):
                full[tf_type] = tuple(entry["in"])
    return full


def _operator(name: str, entry: Mapping[str, Any], old: bool) -> GeOperator:
    texts, other, colour = entry.get("cols"), entry.get("other", ()), entry.get("pr")
    if old:
        texts, other = entry.get("cols_2021", texts), entry.get("other_2021", other)
        colour = entry.get("pr_2021")
    return GeOperator(
        name,
        tuple(entry["in"]),
        tuple(entry["out"]),
        # Empty: columns of other types only, so not known either (3.2).
        tuple(_column(text) for text in (*texts, *(other or ()))) if texts else None,
        _COLOURS[colour],
        bool(entry.get("null", False)),
        entry.get("unit", "none"),
        bool(entry.get("by_code", False)),
    )


def _column(text: str) -> Column:
    inputs, outputs = text.split(">")
    return Column(tuple(LETTERS[c] for c in inputs), tuple(LETTERS[c] for c in outputs))


def node_columns(
    operator: GeOperator, inputs: int, outputs: int
) -> Optional[Tuple[NodeColumn, ...]]:
    """Return the library's columns for a node with so many tensors, in library order.

    Repeated inputs share their letter; optional inputs that are absent take no part, and columns
    that differ only in these are one (precision-modes.md 3.1 and 3.2). None: not known.
    """
    if operator.columns is None:
        return None
    in_letters = positions(operator.inputs, inputs)
    out_letters = positions(operator.outputs, outputs)
    found = (
        (*_picked(column.inputs, in_letters), *_picked(column.outputs, out_letters))
        for column in operator.columns
    )
    return tuple(dict.fromkeys(found))


def column_types(column: NodeColumn, origin: Sequence[str]) -> Tuple[str, ...]:
    """Return the types a column gives; tensors it says nothing about keep theirs."""
    return tuple(t if t is not None else o for t, o in zip(column, origin))


def positions(names: Sequence[str], count: int) -> Tuple[int, ...]:
    """Return, for `count` tensors of a node, the index of each one's name ("*" repeats)."""
    repeated = next((i for i, name in enumerate(names) if name.endswith("*")), None)
    if repeated is None:
        return tuple(range(count))
    # Names behind a repeated one are never optional in the library.
    times = count - (len(names) - 1)
    before, after = range(repeated), range(repeated + 1, len(names))
    return (*before, *([repeated] * times), *after)


def accepts(names: Sequence[str], count: int) -> bool:
    """Return whether a GE type with these input names can have `count` inputs.

    A repeated one is there once at least. Source: hicann/ge, sub_ops_store.cc, `CheckParamType`.
    """
    if any(name.endswith("*") for name in names):
        return count >= len(names)
    return sum(not name.endswith("?") for name in names) <= count <= len(names)


def _picked(types: Sequence[str], letters: Sequence[int]) -> NodeColumn:
    return tuple(types[i] if i < len(types) else None for i in letters)


def first_failing(
    columns: Sequence[NodeColumn], types: Sequence[str], reduces: bool
) -> Optional[int]:
    """Return the first tensor that on its own finds no kernel type; None: all do. Source: 4.1."""
    becomes = {"float16": "float32", "float32": "float16" if reduces else None}
    for index, dtype in enumerate(types):
        # None in a column: it takes any type.
        if not {dtype, becomes.get(dtype), None} & {column[index] for column in columns}:
            return index
    return None
