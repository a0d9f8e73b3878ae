"""The comparison as text: for the terminal, as Markdown and as CSV."""

from __future__ import annotations

import csv
import io
import math
import re
import textwrap
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

from lenet_exp.comparison.rows import BASELINE_ACCURACY, CHIP_SEC_PER_STEP, TableRow
from lenet_exp.comparison.verdicts import REFERENCE

_NARROWEST = 84  # below that no room is left for names
_GAP = "  "
UNKNOWN = "-"


class TableColumn(NamedTuple):
    """A column: its head, and what it shows of a row."""

    head: str
    cell: Callable[[TableRow], str]


def accuracy(row: TableRow) -> str:
    """Return the accuracy with its 95 % interval: "0.9829 +-0.0013"."""
    if row.accuracy is None:
        return UNKNOWN
    half = "" if row.half_width is None else f" +-{row.half_width:.4f}"
    return f"{row.accuracy:.4f}{half}"


def difference(row: TableRow) -> str:
    """Return the difference to the reference's accuracy with its interval, in points."""
    verdict = row.verdict
    if verdict.difference is None:
        return "" if verdict.word == REFERENCE else UNKNOWN
    half = "" if verdict.half_width is None else f" +-{100 * verdict.half_width:.2f}"
    return f"{100 * verdict.difference:+.2f}{half}"


def cost(row: TableRow) -> str:
    """Return the cost of emulation, or on a chip the ratio to the ModelZoo's sec/step."""
    if row.chip_ratio is not None:
        return f"{row.chip_ratio:.2f}x {CHIP_SEC_PER_STEP}"
    return _shown(row.float32_cost, "{:.2f}x")


def count(value: Optional[float]) -> str:
    """Return a number of steps, a median over runs too, with all its digits."""
    return _shown(value, "{:.12g}")


def number(value: Optional[float]) -> str:
    """Return a loss scale, powers of two as such."""
    if value is None or not math.isfinite(value):
        return _shown(value, "{:g}")
    power = value.as_integer_ratio()[0].bit_length() - 1 if value >= 1 else 0
    return f"2^{power}" if value >= 2**14 and value == 2.0**power else f"{value:g}"


def _shown(value: Optional[float], form: str) -> str:
    return UNKNOWN if value is None else form.format(value)


def _megabytes(count: Optional[int]) -> str:
    return UNKNOWN if count is None else f"{count / 1e6:.2f}"


def _percent(share: Optional[float]) -> str:
    return UNKNOWN if share is None else f"{100 * share:.0f} %"


def _time(row: TableRow, value: Optional[float], form: str) -> str:
    """Return what is made of a time, marked where other jobs ran beside."""
    return _shown(value, form if row.comparable else f"{form}*")


ACCURACY = (
    TableColumn("n", lambda row: str(row.runs)),
    TableColumn("accuracy", accuracy),
    TableColumn("difference", difference),
    TableColumn("verdict", lambda row: row.verdict.word),
    TableColumn("on", lambda row: f"{row.hardware}, emulated" if row.emulated else row.hardware),
)
SPEED = (
    TableColumn("sec/step", lambda row: _time(row, row.sec_per_step, "{:.5f}")),
    TableColumn("images/s", lambda row: _time(row, row.images_per_sec, "{:.0f}")),
    TableColumn("cost", cost),
    TableColumn("skipped", lambda row: count(row.skipped_steps)),
    TableColumn("loss scale", lambda row: number(row.loss_scale)),
    TableColumn("f16 ops", lambda row: _percent(row.float16_operators)),
    TableColumn("f16 FLOP", lambda row: _percent(row.float16_flops)),
)
ON_CHIP = (
    TableColumn("MB moved", lambda row: _megabytes(row.moved_bytes)),
    TableColumn("f16 MB", lambda row: _megabytes(row.float16_bytes)),
    TableColumn("cast MB", lambda row: _megabytes(row.cast_bytes)),
    TableColumn("on the chip", lambda row: row.chip or UNKNOWN),
)
ALL = (*ACCURACY, *SPEED, *ON_CHIP)  # a terminal has no room for the last
IN_SHORT = (*ACCURACY, SPEED[0], SPEED[2])  # what MLflow's narrow description has room for


def terminal(rows: Sequence[TableRow], width: int) -> str:
    """Return two blocks of columns, neither wider than `width`, and who met the baseline.

    Where nothing has finished that is all; blocks have rows of what has.
    """
    width, shown = max(width, _NARROWEST), finished(rows)
    ending = wrapped(baseline(rows), width)
    if not shown:
        return "\n".join(ending)
    return "\n".join([*_block(shown, ACCURACY, width), *ending, "", *_block(shown, SPEED, width)])


def finished(rows: Sequence[TableRow]) -> List[TableRow]:
    """Return the rows that have figures: a table of the others would be of dashes."""
    return [row for row in rows if row.accuracy is not None]


def baseline(rows: Sequence[TableRow]) -> str:
    """Return who reached the ModelZoo's accuracy, by the mean over seeds, and who did not."""
    known = [(row.configuration, row.accuracy) for row in rows]
    below = [f"{name} ({value:.4f})" for name, value in known
             if value is not None and value < BASELINE_ACCURACY]  # fmt: skip
    unknown = [name for name, value in known if value is None]
    said = f"ModelZoo's baseline: accuracy {BASELINE_ACCURACY}"
    if len(unknown) == len(known):
        return f"{said}; no run has finished"
    said += f"; not reached by {', '.join(below)}" if below else ""
    said += f"; no finished run of {', '.join(unknown)}" if unknown else ""
    return said if below or unknown else f"{said}, reached by all"


def wrapped(line: str, width: int) -> List[str]:
    """Return a line, its own indent kept, as lines of `width` at most.

    What follows a line break in it stays as it is: a command that is to be copied.
    """
    prose, *typed = line.split("\n")
    indent = prose[: len(prose) - len(prose.lstrip())]
    return [*textwrap.wrap(prose, max(width, _NARROWEST), subsequent_indent=indent + "  "), *typed]


def _block(rows: Sequence[TableRow], columns: Sequence[TableColumn], width: int) -> List[str]:
    heads = [column.head for column in columns]
    table = [heads, *([column.cell(row) for column in columns] for row in rows)]
    sizes = [max(map(len, cells)) for cells in zip(*table)]
    room = max(16, width - sum(sizes) - len(_GAP) * len(sizes))
    names = [["configuration"], *(textwrap.wrap(row.configuration, room) for row in rows)]
    first = max(len(part) for name in names for part in name)
    lines = []
    for (name, *rest), cells in zip(names, table):
        shown = [f"{cell:{size}}" for cell, size in zip([name, *cells], [first, *sizes])]
        lines += [_GAP.join(shown).rstrip(), *(f"  {part}" for part in rest)]
    return lines


def markdown(rows: Sequence[TableRow], columns: Sequence[TableColumn] = ALL) -> str:
    """Return one table of what has finished, "" where nothing has."""
    rows = finished(rows)
    if not rows:
        return ""
    heads = ["configuration", *(column.head for column in columns)]
    lines = [heads, ["---"] * len(heads)]
    lines += [[row.configuration, *(column.cell(row) for column in columns)] for row in rows]
    escaped = [[re.sub(r"[|*_]", r"\\\g<0>", cell) for cell in line] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in escaped)


def as_csv(rows: Sequence[TableRow]) -> str:
    """Return every field of every row, unrounded; unknown ones are empty."""
    made = io.StringIO()
    records = [_flat(row) for row in rows]
    writer = csv.DictWriter(made, list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return made.getvalue()


def _flat(row: TableRow) -> Dict[str, Any]:
    """Return a row's fields, the verdict's among them; seeds are joined by spaces."""
    record = row._asdict()
    for key, value in record.pop("verdict")._asdict().items():
        record["difference" if key == "difference" else f"verdict_{key}"] = value
    for key, value in record.items():
        if isinstance(value, tuple):
            record[key] = " ".join(map(str, value))
        elif isinstance(value, bool):
            record[key] = str(value).lower()
    return record


def footnotes(rows: Sequence[TableRow]) -> List[str]:
    """Return what the marks and words in the table mean, as far as they are in it."""
    notes = []
    if any(row.float32_cost is not None for row in rows):
        notes.append("cost: sec/step over that of must_keep_origin_dtype on the same CPU")
    if any(row.chip_ratio is not None for row in rows):
        notes.append(f"x {CHIP_SEC_PER_STEP}: sec/step over the ModelZoo's on a chip")
    if any(row.emulated for row in rows):
        notes.append("emulated: float16 is imitated on a CPU; sec/step is the CPU's, not a chip's")
    if not all(row.comparable for row in rows):
        notes.append("*: ran beside other jobs; its times are not comparable")
    if any(row.half_width is not None for row in rows):
        notes.append("accuracy: mean over seeds with its 95 % t interval")
    return notes
