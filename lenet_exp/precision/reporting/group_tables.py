"""Groups of operators as plain text, and how to open one."""

from __future__ import annotations

from typing import Any, Callable, List, Sequence, Tuple, Union

from lenet_exp.precision.reporting import tables
from lenet_exp.precision.reporting.groups import SCOPE, Grouped, GroupedComparison
from lenet_exp.precision.reporting.records import Comparison

_Column = Tuple[str, int, Callable[[Any], str]]  # its head, its width, what of a group it shows


def _megabytes(moved: int) -> str:
    return f"{moved / 1e6:.2f}" if moved else "-"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share else "-"


_SUMS: Tuple[_Column, ...] = (
    ("n", 4, lambda group: str(group.operators)),
    ("float16", 7, lambda group: str(group.float16 or "-")),
    ("casts", 5, lambda group: str(group.casts or "-")),
    ("refused", 7, lambda group: str(group.refused or "-")),
    ("MB", 8, lambda group: _megabytes(group.moved_bytes)),
    ("FLOP", 7, lambda group: _percent(group.flops_share or 0)),
)
_SIDES: Tuple[_Column, ...] = (
    ("differ", 6, lambda group: str(group.differ)),
    ("of", 5, lambda group: str(group.operators)),
    ("float16", 9, lambda group: f"{group.first_float16} {group.second_float16:>4}"),
    ("casts", 9, lambda group: f"{group.first_casts} {group.second_casts:>4}"),
    ("refused", 7, lambda group: f"{group.first_refused} {group.second_refused:>3}"),
)


def group_table(read: Grouped, width: int) -> str:
    """Return what is refused, a line for each group, how to open one, totals and warnings."""
    width = max(width, tables.NARROWEST)
    if read.view.note:
        return tables.nothing(read, width)
    refusing = any(group.refused for group in read.groups)
    lines = [*tables.beginning(read, width), "", *_lines(_SUMS, read, refusing, width)]
    return "\n".join([*lines, "", *_opening(read, width), *tables.ending(read, width)])


def grouped_comparison_table(found: Comparison, groups: GroupedComparison, width: int) -> str:
    """Return a line for each group that differs, how to open one, and the totals of both plans.

    Two figures in a column are those of the left and the right plan.
    """
    width = max(width, tables.NARROWEST)
    if not groups.groups:
        return tables.comparison_table(found, width)
    left, right = tables.heads_of(found)
    lines = [
        f"left: {left}",
        f"right: {right}",
        *tables.fetches_text(found.first.fetches, width),
        "",
    ]
    refusing = any(group.first_refused or group.second_refused for group in groups.groups)
    lines += _lines(_SIDES, groups, refusing, width)
    opening = _opening(groups, width)
    return "\n".join([*lines, "", *opening, *tables.comparison_ending(found, width)])


def _lines(
    columns: Sequence[_Column], read: Union[Grouped, GroupedComparison], refusing: bool, width: int
) -> List[str]:
    shown = [column for column in columns if refusing or column[0] != "refused"]
    what = "scope" if read.by == SCOPE else "GE type"
    rows = [([head for head, _, _ in shown], what)]
    rows += [([show(group) for _, _, show in shown], group.name) for group in read.groups]
    lines = []
    for cells, name in rows:
        facts = "  ".join(f"{cell:>{size}}" for cell, (_, size, _) in zip(cells, shown))
        lines += tables.row_lines(f"{facts}  ", name, width=width)
    return lines


def _opening(read: Union[Grouped, GroupedComparison], width: int) -> List[str]:
    """Return what to type to see what is in the first group, and all rows of a comparison."""
    text = f"to open a group: only={read.by}:{read.groups[0].name}"
    if isinstance(read, GroupedComparison):
        text += "; every operator that differs: only=changed"
    return [*tables.wrapped("", text, "  ", width), ""]
