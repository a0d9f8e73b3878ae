"""What a person should know of a plan besides its rows."""

from __future__ import annotations

from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from lenet_exp.precision.plan import Engine, Operator, Rule
from lenet_exp.precision.planning.compilation import Compilation
from lenet_exp.precision.planning.dtype_overrides import CustomDtypes


def warnings_of(state: Compilation) -> Tuple[str, ...]:
    """Return what a person should know besides the rows, the options' warnings first."""
    rows = [one.row for one in state.decided]
    warnings = list(state.options.warnings)
    unknown = {row.name: row for row in rows if row.rule is Rule.UNKNOWN}
    for (ge_type, reason), names in _grouped(unknown.values()).items():
        warnings.append(f"{ge_type} is {reason} ({_some(names)})")
    by_engine = {
        Engine.REFUSED: "the chip refuses to compile this graph",
        Engine.AI_CPU: "slower than the AI core",
    }
    for engine, meaning in by_engine.items():
        slow = (row for row in rows if row.engine is engine)
        for (ge_type, reason), names in _grouped(slow).items():
            warnings.append(f"{ge_type} {reason}: {meaning} ({_some(names)})")
    return (*warnings, *_unmatched(rows, state.options.custom))


def _grouped(rows: Iterable[Operator]) -> Mapping[Tuple[str, str], List[str]]:
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
