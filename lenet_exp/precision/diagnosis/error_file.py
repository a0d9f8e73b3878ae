"""What diagnose wrote, read back: what was measured of every operator."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple

from lenet_exp.errors import DataError
from lenet_exp.precision.reporting.heat import Heat

_COUNTS = ("total_values", "total_overflows", "total_flushed")
_MADE_BY = "the output of python -m lenet_exp.diagnose precision=MODE format=csv"


class Measured(NamedTuple):
    """The mode that was diagnosed, and what it did to each operator, by name."""

    mode: str
    operators: Dict[str, Heat]


def read_errors(path: Path) -> Measured:
    """Return what a CSV or JSON of diagnose says.

    Raises:
        DataError: there is no such file, or it is another one.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise DataError(path, f"can't be read: {reason}", _MADE_BY) from None
    try:
        rows = _rows(text)
        modes = {str(row["mode"]) for row in rows}
        operators = {str(row["name"]): _heat(row) for row in rows}
    except (ValueError, KeyError, TypeError, OverflowError, csv.Error, RecursionError):
        raise DataError(path, "is no CSV or JSON of diagnose", _MADE_BY) from None
    if len(modes) != 1:
        problem = "has no operator" if not modes else "is of several modes"
        raise DataError(path, problem, _MADE_BY)
    return Measured(modes.pop(), operators)


def _rows(text: str) -> List[Mapping[str, Any]]:
    if not text.lstrip().startswith("{"):
        return list(csv.DictReader(io.StringIO(text)))
    whole = json.loads(text)
    return [{**row, "mode": whole["mode"]} for row in whole["operators"]]


def _heat(row: Mapping[str, Any]) -> Heat:
    """Return what is measured of a row; what is ruined in front of it (nan) has no damage here."""
    damage, (values, overflows, flushed) = _damage(row), (int(row[key]) for key in _COUNTS)
    if min(values, overflows, flushed) < 0 or damage < 0:
        raise ValueError(row)
    damage = 0.0 if math.isnan(damage) else damage
    return Heat(damage, min(1.0, flushed / values) if values else 0.0, overflows)


def _damage(row: Mapping[str, Any]) -> float:
    """Return a damage; JSON, which has neither infinity nor nan, has null for both."""
    if row["damage"] is not None:
        return float(row["damage"])
    inherited = row["inherited"]
    return math.inf if inherited is not None and float(inherited) < 1 else math.nan
