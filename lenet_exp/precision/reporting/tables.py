"""Reports as plain text that fits a given width."""

from __future__ import annotations

import itertools
import textwrap
from typing import Dict, List, Optional, Sequence, Tuple

from lenet_exp.precision.analysis.cost import Totals
from lenet_exp.precision.planning.reasons import abbreviated
from lenet_exp.precision.reporting.records import (
    ANY_OTHER,
    LETTERS,
    Comparison,
    Group,
    Record,
    Report,
    summary,
)

_NARROWEST = 60  # below that the columns leave no room for names
_LONGEST_TYPES = 24  # of one operator with many inputs, before it takes a line of its own
_ON_CHIP = {"ai_cpu": "on the AI CPU", "refused": "refused"}


def table(read: Report, width: int) -> str:
    """Return every operator with its reason, then legend, totals and warnings."""
    width = max(width, _NARROWEST)
    types = [record.types for record in read.records]
    size = types_width(types)
    lines = [_title(read), "", f"{'types':{size}}  list   casts     operator"]
    lines.append(f"{'':{size}}  {'':16} GE type - reason")
    for section, members in itertools.groupby(read.records, lambda record: record.section):
        lines += ["", section.upper()]
        for record in members:
            lines += _rows(record, size, width)
    return "\n".join([*lines, "", *_legend(types, width), "", *_ending(read, width)])


def summary_table(read: Report, width: int) -> str:
    """Return the operators in groups, a line each, then legend, totals and warnings."""
    width = max(width, _NARROWEST)
    groups = summary(read).groups
    types = [group.types for group in groups]
    longest = max([len(group.ge_type) for group in groups] or [7])
    size, kind = types_width(types), min(longest, max(10, width - 70))
    head = f"  n  {'GE type':{kind}}  {'types':{size}}  list   rule        casts  operators"
    lines = [_title(read), "", cut(head, width)]
    for section, members in itertools.groupby(groups, lambda group: group.section):
        lines.append(section.upper())
        for group in members:
            ge_type, shown = cut(group.ge_type, kind), cut(group.types, size)
            facts = (
                f"{len(group.names):3}  {ge_type:{kind}}  {shown:{size}}"
                f"  {group.colour:5}  {group.rule:10}  {group.casts or '-':>5}  "
            )
            lines.append(cut(facts + _names(group, width - len(facts)), width))
    return "\n".join([*lines, "", *_legend(types, width), "", *_ending(read, width)])


def comparison_table(found: Comparison, width: int) -> str:
    """Return the operators that differ, both plans side by side, then the totals of both."""
    width = max(width, _NARROWEST)
    left, right = (f"{r.mode}, {r.generation}" for r in (found.first, found.second))
    pairs = [(_side(d.first), _side(d.second)) for d in found.differences]
    sizes = [min(max(map(len, each)), (width - 24) // 2) for each in zip((left, right), *pairs)]
    lines = [f"{left:{sizes[0]}}  {right:{sizes[1]}}  operator"]
    indent = " " * (sum(sizes) + 4)
    for difference, pair in zip(found.differences, pairs):
        facts = "  ".join(f"{cut(text, size):{size}}" for text, size in zip(pair, sizes))
        sides = (difference.first, difference.second)
        kinds = dict.fromkeys(side.operator.ge_type for side in sides if side is not None)
        text = f"{difference.name} ({' / '.join(kinds)})"
        lines += wrapped(f"{facts}  ", text, indent, width)
    if not pairs:
        lines = [f"{left} and {right}: every operator has the same types and casts."]
    shown = [record.types for d in found.differences for record in (d.first, d.second) if record]
    ending = [*_legend(shown, width), ""] if shown else []
    ending += _both(found, (left, right))
    return "\n".join([*lines, "", *textwrap.wrap(_alike(found), width), "", *ending])


def warnings_text(warnings: Sequence[str], width: int) -> List[str]:
    """Return warnings as wrapped lines, each beginning with "warning: "."""
    wrap = textwrap.TextWrapper(max(width, _NARROWEST), subsequent_indent="  ").wrap
    return [line for warning in warnings for line in wrap(f"warning: {warning}")]


def title(mode: str, generation: str) -> str:
    """Return a plan's mode and its generation in words."""
    age = "CANN of today (8.1)" if generation == "today" else "CANN of February 2021"
    return f"{mode}, {age}"


def _title(read: Report) -> str:
    return f"{title(read.mode, read.generation)}: {read.totals.operators} operators"


def types_width(types: Sequence[str]) -> int:
    """Return the width of a column of types, within bounds."""
    return max(5, min(_LONGEST_TYPES, max([len(text) for text in types] or [0])))


def _rows(record: Record, size: int, width: int) -> List[str]:
    row = record.operator
    casts = "*" + indexes(row.casts) if row.casts else ""
    facts = f"{cut(record.types, size):{size}}  {row.colour:5}  {cut(casts, 8):8}  "
    indent = " " * len(facts)
    colour = f"{row.colour}: "  # has a column of its own
    why = row.reason[len(colour) :] if row.reason.startswith(colour) else row.reason
    reason = f"{row.ge_type} - {why}"
    name = fused_name(row.name, row.parts)
    return [*wrapped(facts, name, indent, width), *wrapped(indent, reason, indent, width)]


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
    lines: List[str] = []
    for line in textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False):
        while len(line) > room:
            at = line.rfind("/", 0, room) + 1 or room
            lines.append(line[:at])
            line = line[at:]
        lines.append(line)
    return [(first if i == 0 else indent) + line for i, line in enumerate(lines or [""])]


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


def _ending(read: Report, width: int) -> List[str]:
    lines = [f"{name:22} {value}" for name, value in figures(read.totals).items()]
    if read.totals.uncounted:
        text = f"not counted, no static shape: {abbreviated(read.totals.uncounted)}"
        lines += textwrap.wrap(text, width, subsequent_indent="  ")
    if read.warnings:
        lines += ["", *warnings_text(read.warnings, width)]
    return lines


def figures(sums: Totals) -> Dict[str, str]:
    """Return the totals in words, by their name."""
    merged = f", {sums.merged} of them merged away" if sums.merged else ""
    return {
        "operators in float16": f"{sums.float16} of {sums.operators}",
        "casts put in": f"{sums.casts}{merged}",
        "cube FLOP in float16": _share(sums.cube_flops_float16, sums.cube_flops, "MFLOP"),
        "bytes in float16": _share(sums.moved_bytes_float16, sums.moved_bytes, "MB"),
        "casts move": f"{sums.cast_bytes / 1e6:.2f} MB",
    }


def _share(part: int, whole: int, unit: str) -> str:
    if not whole:
        return "none"
    return f"{100 * part / whole:.1f} % of {whole / 1e6:.1f} {unit}"


def _side(record: Optional[Record]) -> str:
    if record is None:
        return "(not there)"
    row = record.operator
    casts = f" *{indexes(row.casts)}" if row.casts else ""
    return f"{record.types} {_ON_CHIP.get(row.engine, row.rule)}{casts}"


def _alike(found: Comparison) -> str:
    there, count = len(found.first.records), len(found.differences)
    text = f"{count} of {there} operators differ."
    if found.by_rule:
        text += f" {found.by_rule} others get the same types by another rule or list."
    return text


def _both(found: Comparison, heads: Tuple[str, str]) -> List[str]:
    first, second = figures(found.first.totals), figures(found.second.totals)
    size = max(len(text) for text in (*first.values(), heads[0]))
    lines = [f"{'':22} {heads[0]:{size}}  {heads[1]}"]
    return lines + [f"{name:22} {first[name]:{size}}  {second[name]}" for name in first]
