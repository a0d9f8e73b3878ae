"""What precision.csv of some runs says: float16's share, and which operators differ."""

from __future__ import annotations

import csv
import io
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

_HALF = "float16"


class Share(NamedTuple):
    """Of the training step, 0..1: operators with a float16 tensor, cube FLOP in float16."""

    operators: float
    flops: Optional[float]


class OperatorDifference(NamedTuple):
    """One operator that differs; `types` under each plan ("hhh>h, 2 casts"; "" if not there)."""

    graph: str
    name: str
    types: Tuple[str, ...]


class Plans(NamedTuple):
    """Plans that differ: the labels that each belongs to, and the operators that set them apart."""

    labels: Tuple[Tuple[str, ...], ...]
    rows: Tuple[OperatorDifference, ...]
    alike: int  # operators that are the same under every plan


def _rows(text: str) -> List[Dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def share(text: str) -> Optional[Share]:
    """Return float16's share in the training step of a precision.csv; None if it has none."""
    rows = [row for row in _rows(text) if row["graph"] == "train"]
    if not rows:
        return None
    half = sum(_HALF in f"{row['inputs']} {row['outputs']}".split() for row in rows)
    cube = [row for row in rows if row["unit"] == "cube" and row["flops"]]
    total = sum(int(row["flops"]) for row in cube)
    halves = sum(int(row["flops"]) for row in cube if row["inputs"].split()[:1] == [_HALF])
    return Share(half / len(rows), halves / total if total else None)


def compare_plans(plans: Sequence[Tuple[str, str]]) -> Plans:
    """Return how the plans of several configurations (label, precision.csv) differ.

    Configurations of equal plans share a column.
    """
    read = [
        {(row["graph"], row["name"]): (row["ge_type"], _cell(row)) for row in _rows(text)}
        for _, text in plans
    ]
    tables = [one for place, one in enumerate(read) if one not in read[:place]]
    labels = [
        tuple(label for (label, _), one in zip(plans, read) if one == table) for table in tables
    ]
    keys = dict.fromkeys(key for table in tables for key in table)
    rows = [
        OperatorDifference(*key, tuple(table.get(key, ("", ""))[1] for table in tables))
        for key in keys
    ]
    differing = tuple(row for row in rows if len(set(row.types)) > 1)
    return Plans(tuple(labels), differing, len(rows) - len(differing))


def _cell(row: Mapping[str, str]) -> str:
    count = len(row["casts"].split())
    casts = f", {count} cast{'s' if count > 1 else ''}" if count else ""
    refused = f", {row['engine']}" if row["engine"] in ("refused", "ai_cpu") else ""
    return f"{row['types']}{casts}{refused}"
