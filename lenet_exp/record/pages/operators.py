"""precision.csv, read back: which operators have which types."""

from __future__ import annotations

import csv
import io
from typing import Dict, Iterable, List, Mapping, NamedTuple, Optional, Tuple

from lenet_exp.precision.reporting.letters import LETTERS

_HALF, _SINGLE = "float16", "float32"
_TRAIN = "train"
_READ = ("graph", "section", "name", "ge_type", "types", "inputs", "outputs", "casts", "engine",
         "unit", "flops")  # fmt: skip


class Share(NamedTuple):
    """Of the training step, 0..1: operators with a float16 tensor, cube FLOP in float16."""

    operators: float
    flops: Optional[float]


class OperatorTypes(NamedTuple):
    """An operator and its `types` under each of some plans ("hhh>h, 2 casts"; "": not there)."""

    section: str
    ge_type: str
    name: str
    types: Tuple[str, ...]


class OperatorGroup(NamedTuple):
    """Operators alike in all but their name."""

    section: str
    ge_type: str
    types: Tuple[str, ...]
    names: Tuple[str, ...]


class OperatorTable(NamedTuple):
    """Groups of operators under some plans, and the labels that each plan belongs to."""

    labels: Tuple[Tuple[str, ...], ...]
    groups: Tuple[OperatorGroup, ...]

    @property
    def letters(self) -> Dict[str, str]:
        """The letters that stand for types in it."""
        used = {letter for group in self.groups for text in group.types for letter in _types(text)}
        return {letter: dtype for letter, dtype in LETTERS.items() if letter in used}


def rows_of(text: str) -> List[Dict[str, str]]:
    """Return the rows of a precision.csv by column; "" where a version had no such column."""
    lacking = dict.fromkeys(_READ, "")
    rows = csv.DictReader(io.StringIO(text))
    return [{**lacking, **{key: row[key] or "" for key in _READ if key in row}} for row in rows]


def section(row: Mapping[str, str]) -> str:
    """Return where a row's operator is: a part of the training step, or inference."""
    return row["section"] or _TRAIN if row["graph"] == _TRAIN else row["graph"]


def types(row: Mapping[str, str]) -> str:
    """Return a row's types as they are shown: "hhh>h, 2 casts"."""
    count = len(row["casts"].split())
    casts = f", {count} cast{'s' if count > 1 else ''}" if count else ""
    shown = {"refused": ", refused", "ai_cpu": ", AI CPU", "host": ", host"}.get(row["engine"], "")
    return f"{row['types']}{casts}{shown}"


def _types(shown: str) -> str:
    return shown.partition(",")[0]


def kind(shown: str) -> str:
    """Return what decides an operator's colour: float16, float32, both, other, or absent."""
    if not shown:
        return "absent"
    half, single = (letter in _types(shown) for letter in "hf")
    if half and single:
        return "both"
    return _HALF if half else _SINGLE if single else "other"


def grouped(found: Iterable[OperatorTypes]) -> Tuple[OperatorGroup, ...]:
    """Return operators in groups, in the order of their first member, sections together."""
    groups: Dict[Tuple[str, str, Tuple[str, ...]], List[str]] = {}
    for one in found:
        groups.setdefault((one.section, one.ge_type, one.types), []).append(one.name)
    order = list(dict.fromkeys(section for section, _, _ in groups))
    made = [OperatorGroup(*alike, tuple(names)) for alike, names in groups.items()]
    return tuple(sorted(made, key=lambda group: order.index(group.section)))


def of_plan(text: str, label: str) -> OperatorTable:
    """Return the operators of one plan, a precision.csv."""
    rows = (OperatorTypes(section(r), r["ge_type"], r["name"], (types(r),)) for r in rows_of(text))
    return OperatorTable(((label,),), grouped(rows))


def share(text: str) -> Optional[Share]:
    """Return float16's share in the training step of a precision.csv; None if it has none."""
    rows = [row for row in rows_of(text) if row["graph"] == _TRAIN]
    if not rows:
        return None
    half = sum(_HALF in f"{row['inputs']} {row['outputs']}".split() for row in rows)
    cube = [row for row in rows if row["unit"] == "cube" and row["flops"]]
    total = sum(int(row["flops"]) for row in cube)
    halves = sum(int(row["flops"]) for row in cube if row["inputs"].split()[:1] == [_HALF])
    return Share(half / len(rows), halves / total if total else None)
