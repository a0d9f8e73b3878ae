"""What was counted, as text for a person and CSV for a program."""

from __future__ import annotations

import csv
import io
from typing import Dict, List, NamedTuple, Sequence

from lenet_exp.precision.emulation.trace.counters import COLUMNS, Site, Traces
from lenet_exp.precision.emulation.trace.tally import Overflowed, Tally, gradients, overflows, rows

_MOST = 12  # operators a console shows; the CSV has all
_WIDE = 100


class Counted(NamedTuple):
    """A graph's counters and their tally."""

    traces: Traces
    tally: Tally


def text(training: Counted, evaluation: Counted, file: str) -> str:
    """Return tables of overflows and gradients; `file` is where all rows are."""
    steps, runs = int(training.tally.calls), int(evaluation.tally.calls)
    found = rows(training.tally, training.traces.sites)
    lines = [f"overflows in {steps} training steps{'' if found else ': none'}"]
    if found:
        first = found[0]
        lines.append(f"  first in step {first.first}: {_name(first.site)}{_iteration(first)}")
        lines += _operators(found, "steps", "first step", file)
    later = rows(evaluation.tally, evaluation.traces.sites)
    if runs:
        lines.append(f"overflows in {runs} evaluations{'' if later else ': none'}")
        lines += _operators(later, "evaluations", "after step", file) if later else []
    lost = training.traces.constants
    constants = [f"constant {c.name}: {c.value:.3g} is {c.becomes:.3g} in float16" for c in lost]
    return "\n".join([*lines, *_gradients(training), *constants])


def _name(site: Site) -> str:
    part = f" ({site.part})" if site.part else ""
    wide = ", float32" if site.dtype == "float32" else ""
    return f"{site.ge_type} {site.operator}{part}{wide}".strip()


def _iteration(row: Overflowed) -> str:
    """Return in which iteration of the loops around it an operator first overflowed, if in any."""
    numbers = " of ".join(map(str, row.iteration[::-1]))
    return f", iteration {numbers}" if numbers else ""


def _operators(found: Sequence[Overflowed], calls: str, first: str, file: str) -> List[str]:
    lines = [f"  {calls:>11}  {first:>10}  {'values':>12}  {'largest':>8}  operator"]
    for row in found[:_MOST]:
        numbers = f"  {row.calls:11}  {row.first:10}  {row.values:12}  {row.largest:8.3g}  "
        inside = _iteration(row)
        name = _ended(_name(row.site), _WIDE - len(numbers) - len(inside))
        lines.append(numbers + name + inside)
    if len(found) > _MOST:
        lines.append(f"  and {len(found) - _MOST} operators more: {file}")
    return lines


def _gradients(training: Counted) -> List[str]:
    found = gradients(training.tally, training.traces.sites)
    if not found:
        return []
    lines = ["gradients as float16 holds them, share of their values"]
    lines.append(f"  {'is 0':>7}  {'lost':>7}  {'subnormal':>9}  {'largest':>8}  type     variable")
    for each in found:
        shares = f"  {each.zero:7.1%}  {each.lost:7.1%}  {each.subnormal:9.1%}  {each.largest:8.3g}"
        lines.append(f"{shares}  {each.site.dtype}  {each.site.gradient_of}")
    return lines


def _ended(name: str, room: int) -> str:
    """Return the end of a name, which says more than its scopes."""
    kind, _, rest = name.partition(" ")
    return name if len(name) <= room else f"{kind} ...{rest[len(kind) + 4 - room :]}"


def as_csv(counted: Dict[str, Counted]) -> str:
    """Return a row for each site of the graphs named, in the order of a step."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(
        ["graph", "calls", *Site._fields, "overflowed", "calls_overflowed", "first_step"]
        + ["largest", *COLUMNS, "first_iteration"]
    )
    for graph, (traces, tally) in counted.items():
        beyond = overflows(traces.sites, tally.counts)
        for index, site in enumerate(traces.sites):
            own = (beyond[index], tally.hit[index], tally.first[index], tally.largest[index])
            inside = tally.iteration[index]
            writer.writerow([graph, tally.calls, *site, *own, *tally.counts[index], inside])
    return stream.getvalue()
