"""Reports as plain text that fits a given width."""

from __future__ import annotations

import itertools
import textwrap
from typing import Dict, Iterator, List, Optional, Sequence, Tuple, Union

from lenet_exp.precision.analysis.cost import Totals
from lenet_exp.precision.planning.reasons import abbreviated, refuses
from lenet_exp.precision.reporting.filters import View
from lenet_exp.precision.reporting.groups import Grouped
from lenet_exp.precision.reporting.letters import ANY_OTHER, LETTERS
from lenet_exp.precision.reporting.records import (
    Comparison,
    Group,
    Record,
    Report,
    Summary,
    summary,
)

Heading = Union[Report, Summary, Grouped]  # what has a title, totals and warnings
NARROWEST = 48  # below that the totals don't fit
_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
_ROOM_BESIDE = 32  # of names beside the columns; with less they stand below, in full
_ROOM_IN_SUMMARY = 24
_LONGEST_TYPES = 24  # of one operator with many inputs, before it takes a line of its own
_ON_CHIP = {"ai_cpu": "on the AI CPU", "host": "on the host", "refused": "refused"}


def table(read: Report, width: int) -> str:
    """Return what is refused, the legend, every operator with its reason, totals and warnings."""
    width = max(width, NARROWEST)
    if read.view.note:
        return nothing(read, width)
    types = [record.types for record in read.records]
    size = types_width(types)
    heads = (f"{'types':{size}}  list   {'casts':8}  ", "operator", "GE type - reason")
    lines = [*_beginning(read, types, width), *row_lines(*heads, width=width)]
    for section, members in itertools.groupby(read.records, lambda record: record.section):
        lines += ["", section.upper()]
        for record in members:
            lines += _rows(record, size, width)
    return "\n".join([*lines, "", *ending(read, width)])


def summary_table(read: Report, width: int) -> str:
    """Return what is refused, the legend, the operators in groups, totals and warnings."""
    width = max(width, NARROWEST)
    if read.view.note:
        return nothing(read, width)
    groups = summary(read).groups
    types = [group.types for group in groups]
    size, kind = types_width(types), max([len(group.ge_type) for group in groups] or [7])
    beside = width >= size + kind + 35 + _ROOM_IN_SUMMARY
    size = size if beside else min(size, width - 31)
    names = f"{'GE type':{kind}}  " if beside else ""
    head = f"  n  {names}{'types':{size}}  list   rule        casts"
    lines = [*_beginning(read, types, width), head + ("  operators" if beside else "")]
    lines += [] if beside else ["     GE type: operators"]
    for section, members in itertools.groupby(groups, lambda group: group.section):
        lines.append(section.upper())
        for group in members:
            names = f"{group.ge_type:{kind}}  " if beside else ""
            facts = f"{len(group.names):3}  {names}{cut(group.types, size):{size}}"
            facts += f"  {group.colour:5}  {group.rule:10}  {group.casts or '-':>5}"
            if beside:
                lines.append(f"{facts}  {_names(group, width - len(facts) - 2)}")
            else:
                lines += [facts, *_named_below(group, width)]
    return "\n".join([*lines, "", *ending(read, width)])


def _named_below(group: Group, width: int) -> List[str]:
    """Return a group's type and names, the first one whole, on two lines or little more."""
    indent = " " * 5
    room = 2 * (width - len(indent)) - len(group.ge_type) - 2
    room = max(room, len(f"{group.names[0]}, +{len(group.names)}"))
    return wrapped(indent, f"{group.ge_type}: {_names(group, room)}", indent, width)


def heads_of(found: Comparison) -> Tuple[str, str]:
    """Return what names each of two plans."""
    left, right = (f"{r.mode}, {r.generation}" for r in (found.first, found.second))
    return left, right


def comparison_table(found: Comparison, width: int) -> str:
    """Return the operators that differ, both plans side by side, then the totals of both."""
    width = max(width, NARROWEST)
    left, right = heads_of(found)
    pairs = [(_side(d.first), _side(d.second)) for d in found.differences]
    sizes = [min(max(map(len, each)), (width - 4) // 2) for each in zip((left, right), *pairs)]
    if any(len(head) > size for head, size in zip((left, right), sizes)):
        lines = [f"left: {left}", f"right: {right}"]
    else:
        lines = row_lines(_sides((left, right), sizes), "operator", width=width)
    for difference, pair in zip(found.differences, pairs):
        sides = (difference.first, difference.second)
        kinds = dict.fromkeys(side.operator.ge_type for side in sides if side is not None)
        text = f"{difference.name} ({' / '.join(kinds)})"
        lines += row_lines(_sides(pair, sizes), text, width=width)
    shown = [record.types for d in found.differences for record in (d.first, d.second) if record]
    lines = [*fetches_text(found.first.fetches, width), *_legend(shown, width), "", *lines]
    if not pairs:
        same = f"{left} and {right}: every operator has the same types and casts."
        lines = textwrap.wrap(found.view.note or same, width)
    return "\n".join([*lines, "", *comparison_ending(found, width)])


def comparison_ending(found: Comparison, width: int) -> List[str]:
    """Return how many operators differ, and the totals of both plans."""
    return [*textwrap.wrap(_alike(found), width), "", *_both(found, heads_of(found), width)]


def _sides(pair: Sequence[str], sizes: Sequence[int]) -> str:
    return "".join(f"{cut(text, size):{size}}  " for text, size in zip(pair, sizes))


def row_lines(facts: str, *texts: str, width: int) -> List[str]:
    """Return columns with texts beside them, or below them where that leaves no room."""
    if width - len(facts) >= _ROOM_BESIDE:
        first, indent, lines = facts, " " * len(facts), []
    else:
        first, indent, lines = " " * 4, " " * 4, [facts.rstrip()]
    for text in texts:
        lines += wrapped(first, text, indent, width)
        first = indent
    return lines


def warnings_text(warnings: Sequence[str], width: int) -> List[str]:
    """Return warnings as wrapped lines, each beginning with "warning: "."""
    width = max(width, NARROWEST)
    wrap = textwrap.TextWrapper(
        width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    ).wrap
    lines = [line for warning in warnings for line in wrap(f"warning: {warning}")]
    return [part for line in lines for part in _broken(line, width, "  ")]


def title(mode: str, generation: str) -> str:
    """Return a plan's mode and its generation in words."""
    age = "CANN of today (8.1)" if generation == "today" else "CANN of February 2021"
    return f"{mode}, {age}"


def counted(count: int, view: View, what: str = "operators") -> str:
    """Return "55 operators", or "12 of 55 operators (only=type:Mul)"."""
    return f"{count} of {view.operators} {what} ({view})" if view.narrows else f"{count} {what}"


def fetches_text(fetches: Sequence[str], width: int) -> List[str]:
    """Return in a line what a run asks for, the first three by name."""
    return wrapped("", f"fetches: {abbreviated(fetches)}", "  ", width) if fetches else []


def types_width(types: Sequence[str]) -> int:
    """Return the width of a column of types, within bounds."""
    return max(5, min(_LONGEST_TYPES, max([len(text) for text in types] or [0])))


def _rows(record: Record, size: int, width: int) -> List[str]:
    row = record.operator
    casts = "*" + indexes(row.casts) if row.casts else ""
    facts = f"{cut(record.types, size):{size}}  {row.colour:5}  {cut(casts, 8):8}  "
    colour = f"{row.colour}: "  # has a column of its own
    why = row.reason[len(colour) :] if row.reason.startswith(colour) else row.reason
    name = fused_name(row.name, row.parts)
    return row_lines(facts, name, f"{row.ge_type} - {why}", width=width)


def indexes(casts: Sequence[int]) -> str:
    """Return 012 for (0, 1, 2); commas where an index has two digits, a range where it is long."""
    if len(casts) > 4 and list(casts) == list(range(casts[0], casts[-1] + 1)):
        return f"{casts[0]}-{casts[-1]}"
    return ("," if any(index > 9 for index in casts) else "").join(map(str, casts))


def fused_name(name: str, parts: Sequence[str]) -> str:
    """Return an operator's name with the last names of the nodes that are fused with it."""
    return " + ".join([name, *(part.rpartition("/")[2] for part in parts if part != name)])


def wrapped(first: str, text: str, indent: str, width: int) -> List[str]:
    """Return lines of `text`; names too long for a line break behind a slash if they can."""
    room = max(width - len(indent), 20)
    lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
    parts = [part for line in lines for part in _broken(line, room)]
    return [(first if i == 0 else indent) + part for i, part in enumerate(parts or [""])]


def _broken(line: str, room: int, indent: str = "") -> Iterator[str]:
    """Yield the parts of a line that is too long, all but the first indented."""
    while len(line) > room:
        at = line.rfind("/", len(indent), room) + 1 or room
        yield line[:at]
        line = indent + line[at:]
    yield line


def cut(text: str, size: int) -> str:
    """Return a text that fits, with dots where it was cut."""
    return text if len(text) <= size else text[: size - 3] + "..."


def _names(group: Group, room: int) -> str:
    """Return the names as far as they fit, then how many more there are."""
    text = ""
    for done, name in enumerate(group.names, 1):
        longer = f"{text}, {name}" if text else name
        more = len(group.names) - done
        rest = f", +{more}" if more else ""
        if text and len(longer) + len(rest) > room:
            return f"{text}, +{more + 1}"
        if not text and len(longer) + len(rest) > room:
            return _ended(name, room - len(rest)) + rest
        text = longer
    return text


def _ended(name: str, room: int) -> str:
    """Return the end of a name, which says more than its scopes."""
    return name if len(name) <= room else "..." + name[len(name) - max(room - 3, 1) :]


def _legend(types: Sequence[str], width: int) -> List[str]:
    used = {letter for text in types for letter in text}
    words = [f"{letter} {dtype}" for letter, dtype in LETTERS.items() if letter in used]
    words += [f"{ANY_OTHER} another type"] if ANY_OTHER in used else []
    words += ["inputs>outputs", *(["10f ten float32"] if any(map(str.isdigit, used)) else [])]
    return textwrap.wrap("; ".join([*words, "*012 inputs that get a Cast"]), width)


def _beginning(read: Report, types: Sequence[str], width: int) -> List[str]:
    return [*beginning(read, width), *_legend(types, width), ""]


def beginning(read: Heading, width: int) -> List[str]:
    """Return the title, what the chip refuses and what is fetched."""
    refused = [warning for warning in read.warnings if refuses(warning)]
    first = ["", *warnings_text(refused, width)] if refused else []
    text = f"{title(read.mode, read.generation)}: {counted(read.totals.operators, read.view)}"
    return [*textwrap.wrap(text, width), *first, "", *fetches_text(read.fetches, width)]


def nothing(read: Heading, width: int) -> str:
    """Return the report of no operator: why none is left."""
    return "\n".join([*beginning(read, width), "", *textwrap.wrap(read.view.note, width)])


def ending(read: Heading, width: int) -> List[str]:
    """Return the totals, and the warnings that are no refusal."""
    lines = [f"{name:22} {value}" for name, value in figures(read.totals).items()]
    if read.totals.uncounted:
        text = f"not counted, no static shape: {abbreviated(read.totals.uncounted)}"
        lines += textwrap.wrap(text, width, subsequent_indent="  ")
    others = [warning for warning in read.warnings if not refuses(warning)]
    if others:
        lines += ["", *warnings_text(others, width)]
    if read.view.silent:
        what = "warnings" if read.view.silent > 1 else "warning"
        lines += ["", f"{read.view.silent} more {what}, not about these operators"]
    return lines


def figures(sums: Totals) -> Dict[str, str]:
    """Return the totals in words, by their name."""
    merged = f", {sums.merged} of them merged away" if sums.merged else ""
    return {
        "operators in float16": f"{sums.float16} of {sums.operators}",
        "casts put in": f"{sums.casts}{merged}",
        "cube FLOP in float16": _share(sums.cube_flops_float16, sums.cube_flops, "FLOP"),
        "bytes in float16": _share(sums.moved_bytes_float16, sums.moved_bytes, "B"),
        "casts move": f"{sums.cast_bytes / 1e6:.2f} MB",
    }


def _share(part: int, whole: int, unit: str) -> str:
    if not whole:
        return "none"
    power, prefix = next(each for each in _PREFIXES if whole >= each[0] * 10 or each[1] == "k")
    return f"{100 * part / whole:.1f} % of {whole / power:.1f} {prefix}{unit}"


def _side(record: Optional[Record]) -> str:
    if record is None:
        return "(not there)"
    row = record.operator
    casts = f" *{indexes(row.casts)}" if row.casts else ""
    return f"{record.types} {_ON_CHIP.get(row.engine, row.rule)}{casts}"


def _alike(found: Comparison) -> str:
    there, count = len(found.first.records), len(found.differences)
    asked = f", of {found.view.operators} in all ({found.view})" if found.view.narrows else ""
    text = f"{count} of {there} operators differ{asked}."
    if found.by_rule:
        text += f" {found.by_rule} others get the same types by another rule or list."
    return text


def _both(found: Comparison, heads: Tuple[str, str], width: int) -> List[str]:
    first, second = figures(found.first.totals), figures(found.second.totals)
    size = max(len(text) for text in (*first.values(), heads[0]))
    rows = [("", *heads), *((name, first[name], second[name]) for name in first)]
    if 25 + size + max(len(text) for text in (*second.values(), heads[1])) > width:
        return [line for name, *sides in rows for line in (name, *(f"  {s}" for s in sides))][1:]
    return [f"{name:22} {one:{size}}  {other}" for name, one, other in rows]
