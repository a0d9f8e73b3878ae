"""The columns of the library as they apply to one node: a dtype for each of its tensors."""

from __future__ import annotations

from typing import AbstractSet, Optional, Sequence, Tuple

from lenet_exp.precision.target.operator_library import GeOperator

# None: the column says nothing about this tensor, which keeps its type.
NodeColumn = Tuple[Optional[str], ...]


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
    found = []
    for column in operator.columns:
        types = (*_picked(column.inputs, in_letters), *_picked(column.outputs, out_letters))
        if types not in found:
            found.append(types)
    return tuple(found)


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
    """Return whether a GE type with these input names can have `count` inputs."""
    if any(name.endswith("*") for name in names):
        return count >= len(names) - 1
    return sum(not name.endswith("?") for name in names) <= count <= len(names)


def _picked(types: Sequence[str], letters: Sequence[int]) -> NodeColumn:
    return tuple(types[i] if i < len(types) else None for i in letters)


def first_failing(
    columns: Sequence[NodeColumn], types: Sequence[str], reduces: bool
) -> Optional[int]:
    """Return the first tensor that on its own finds no kernel type; None: all do. Source: 4.1."""
    for index, dtype in enumerate(types):
        if not _passes({column[index] for column in columns}, dtype, reduces):
            return index
    return None


def _passes(offered: AbstractSet[Optional[str]], dtype: str, reduces: bool) -> bool:
    """Return whether a tensor's type is offered, or one it may become. Source: 4.1."""
    if dtype in offered or None in offered:
        return True
    if dtype == "float16":
        return "float32" in offered
    return dtype == "float32" and reduces and "float16" in offered
