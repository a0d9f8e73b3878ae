"""A diagnosis for a reader: a table that fits a terminal, CSV, JSON."""

from __future__ import annotations

import textwrap
from typing import Any, Dict, List

from lenet_exp.precision.diagnosis.errors import Diagnosis, OperatorError
from lenet_exp.precision.diagnosis.measures import Error
from lenet_exp.precision.reporting.records import as_csv, as_json
from lenet_exp.precision.reporting.tables import wrapped

_ROOM = 24  # of a name beside the numbers; with less it stands below
_NOTABLE = 0.01  # a distance; rounding once to float16 is at most 0.0005
_HEAD = (
    f"{'damage':>7} {'own':>7} {'total':>7} {'cosine':>7} {'largest':>7}"
    f" {'overflow':>8} {'to 0':>6} {'error':9} operator"
)
_MEANING = (
    "own: distance of the operator alone, of exact inputs; total: of its result in the whole step"
    " (Euclidean, of the exact result's norm). damage: what of the own distance falls on inputs"
    " that are still right. Of an update: what its variable changes by."
)


def where(found: OperatorError) -> str:
    """Return whether an operator's error arises in it or in front of it; "" without any."""
    if found.total.distance < _NOTABLE and found.damage < _NOTABLE:
        return ""
    if found.own is None:
        return "not alone"
    return "arises" if found.damage >= 0.5 * min(1.0, found.total.distance) else "passed on"


def table(found: Diagnosis, width: int, most: int) -> str:
    """Return a title, the gradients' error, and the `most` damaging operators."""
    lines = [
        f"{found.plan.mode.value}, {len(found.operators)} operators of one step, by damage",
        *wrapped("", _gradients(found), "", width),
        "",
        _HEAD,
    ]
    for each in found.by_damage[:most]:
        lines += _row(each, width)
    left = len(found.operators) - most
    if left > 0:
        lines.append(f"and {left} with less: operators=all, or format=csv")
    if found.inside:
        names = ", ".join(found.inside[:3])
        lines.append(f"in while loops, measured behind them only: {len(found.inside)} ({names})")
    return "\n".join([*lines, "", *textwrap.wrap(_MEANING, width)])


def _row(found: OperatorError, width: int) -> List[str]:
    own = "-" if found.own is None else f"{found.own.distance:.1e}"
    total = found.total
    text = (
        f"{found.damage:7.1e} {own:>7} {total.distance:7.1e} {total.cosine:7.4f}"
        f" {total.largest:7.1e} {total.overflows or '-':>8} {_share(total):>6}"
        f" {where(found) or '-':9} "
    )
    name, kind = found.operator.name, found.operator.ge_type
    room = width - len(text)
    if room >= len(name) + len(kind) + 3:
        return [f"{text}{name} ({kind})"]
    if room < _ROOM:
        return [text.rstrip(), *wrapped("  ", name, "  ", width)]
    return [text + (name if len(name) <= room else f"...{name[3 - room :]}")]


def _share(error: Error) -> str:
    return f"{error.flushed_share:.1%}" if error.flushed else "-"


def _gradients(found: Diagnosis) -> str:
    """Return the error of the gradients together, and of the worst."""
    if not found.gradients:
        return "no gradient is taken"
    name, worst = min(found.gradients, key=lambda pair: pair[1].agreement)
    return f"gradients: {_in_short(found.gradient)}; worst {name}: {_in_short(worst)}"


def _in_short(error: Error) -> str:
    return f"cosine {error.cosine:.6f}, distance {error.distance:.1e}"


def rows(found: Diagnosis) -> List[Dict[str, Any]]:
    """Return what the CSV has in a row: one for each operator, by damage."""
    return [
        {
            "name": each.operator.name,
            "ge_type": each.operator.ge_type,
            "section": each.section,
            "damage": each.damage,
            "where": where(each),
            "inherited": each.inherited,
            **_numbers("total", each.total),
            **(_numbers("own", each.own) if each.own else dict.fromkeys(_keys("own"))),
        }
        for each in found.by_damage
    ]


_FIELDS = ("cosine", "distance", "largest", "values", "overflows", "flushed")


def _keys(side: str) -> List[str]:
    return [f"{side}_{name}" for name in _FIELDS]


def _numbers(side: str, error: Error) -> Dict[str, Any]:
    return {f"{side}_{name}": getattr(error, name) for name in _FIELDS}


def csv_of(found: Diagnosis) -> str:
    """Return a row for each operator."""
    return as_csv(rows(found), {"mode": found.plan.mode.value}).rstrip("\n")


def json_of(found: Diagnosis) -> str:
    """Return the rows, and the gradients by variable."""
    gradients = {name: _numbers("", error) for name, error in found.gradients}
    gradients = {name: {k[1:]: v for k, v in each.items()} for name, each in gradients.items()}
    whole = {
        "mode": found.plan.mode.value,
        "generation": found.plan.generation.value,
        "operators": rows(found),
        "gradients": gradients,
        "inside_loops": list(found.inside),
    }
    return as_json(whole)
