"""Which operators the plans of several configurations set apart."""

from __future__ import annotations

from typing import NamedTuple, Sequence, Tuple

from lenet_exp.record.pages import operators
from lenet_exp.record.pages.operators import OperatorTable, OperatorTypes


class Plans(NamedTuple):
    """Plans that differ: a column each in `table`, and in `rows` the operators one by one."""

    table: OperatorTable
    rows: Tuple[OperatorTypes, ...]
    alike: int  # operators that are the same under every plan


def compare_plans(plans: Sequence[Tuple[str, str]]) -> Plans:
    """Return how the plans of several configurations (label, precision.csv) differ.

    Configurations of equal plans share a column.
    """
    read = [
        {
            (row["graph"], row["name"]): (
                operators.section(row),
                row["ge_type"],
                operators.types(row),
            )
            for row in operators.rows_of(text)
        }
        for _, text in plans
    ]
    tables = [one for index, one in enumerate(read) if one not in read[:index]]
    labels = [
        tuple(label for (label, _), one in zip(plans, read) if one == table) for table in tables
    ]
    rows = []
    for key in dict.fromkeys(key for table in tables for key in table):
        found = [table.get(key) for table in tables]
        there = [one for one in found if one is not None]
        ge_types = " / ".join(dict.fromkeys(ge_type for _, ge_type, _ in there))
        types = tuple("" if one is None else one[2] for one in found)
        rows.append(OperatorTypes(there[0][0], ge_types, key[1], types))
    differing = tuple(row for row in rows if len(set(row.types)) > 1)
    table = OperatorTable(tuple(labels), operators.grouped(differing))
    return Plans(table, differing, len(rows) - len(differing))
