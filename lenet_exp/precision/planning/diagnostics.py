"""What a person should know of a plan besides its rows."""

from __future__ import annotations

from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from lenet_exp.precision.plan import Engine, Operator
from lenet_exp.precision.planning.dtype_overrides import CustomDtypes
from lenet_exp.precision.planning.walk import Decided


def warnings_of(decided: Decided, custom: Optional[CustomDtypes]) -> List[str]:
    """Return what a person should know besides the rows."""
    warnings = []
    unknown = {row.name: row for row in decided.unknown}
    for (ge_type, reason), names in _grouped(list(unknown.values())).items():
        warnings.append(f"{ge_type} is {reason} ({_some(names)})")
    by_engine = {
        Engine.REFUSED: "the chip refuses to compile this graph",
        Engine.AI_CPU: "slower than the AI core",
    }
    for engine, meaning in by_engine.items():
        rows = [row for row in decided.rows if row.engine is engine]
        for (ge_type, reason), names in _grouped(rows).items():
            warnings.append(f"{ge_type} {reason}: {meaning} ({_some(names)})")
    warnings.extend(_unmatched(decided.rows, custom))
    return warnings


def _grouped(rows: Sequence[Operator]) -> Mapping[Tuple[str, str], List[str]]:
    found: Dict[Tuple[str, str], List[str]] = {}
    for row in rows:
        found.setdefault((row.ge_type, row.reason), []).append(row.name)
    return found


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _unmatched(rows: Sequence[Operator], custom: Optional[CustomDtypes]) -> List[str]:
    if custom is None:
        return []
    names = {row.name for row in rows}
    types = {row.ge_type for row in rows}
    return [
        f"customize_dtypes: no operator {word} {name}, so its line does nothing"
        for word, wanted, have in (
            ("has the name", custom.names, names),
            ("is a", custom.types, types),
        )
        for name in wanted
        if name not in have
    ]
