"""What a plan says to a person: why an operator has its types, and what else to know of it."""

from __future__ import annotations

from typing import Dict, Iterable, List, Mapping, Sequence, Tuple

from lenet_exp.precision.plan import Engine, Operator, Rule
from lenet_exp.precision.planning.compilation import Compilation
from lenet_exp.precision.planning.dtype_overrides import CustomDtypes
from lenet_exp.precision.planning.selection_rules import HALF, SINGLE, Candidates, Choice
from lenet_exp.precision.target.modes import Mode

_FIXED = {
    Rule.BLACK: "black: keeps the types of the graph",
    Rule.FP16_FIRST: "on the float16-first list: float16, its bias and outputs too",
    Rule.REDUCED: "reduced: it has no float32 kernel, so float16 throughout",
    Rule.CUBE: "cube operator: float16 in, float32 out",
}
_MEANING = {
    Engine.REFUSED: "the chip refuses to compile this graph",
    Engine.AI_CPU: "slower than the AI core",
}


def reason(candidates: Candidates, choice: Choice, mode: Mode, keep_dtype: bool) -> str:
    """Return the sentence for an operator on the AI core, or for a null operator."""
    if choice.rule is Rule.KEEP:
        sentence = _kept(candidates, mode, keep_dtype)
    elif choice.rule is Rule.WHITE:
        lacks = "" if HALF in choice.column else ", and none has"
        sentence = f"white: float16 wherever a kernel has it{lacks}"
    elif choice.rule is Rule.GRAY:
        sentence = _gray(candidates, choice)
    elif choice.rule is Rule.FORCED:
        sentence = _forced(candidates, choice, SINGLE if mode is Mode.FORCE_FP32 else HALF)
    else:
        sentence = _FIXED[choice.rule]
    return sentence + ("" if choice.rule is Rule.CUBE else _mixed_output(candidates, choice))


def _gray(candidates: Candidates, choice: Choice) -> str:
    if not candidates.producers:
        return "gray, without inputs: keeps the type of the graph"
    tensor = _deciding(candidates, choice.order)
    producer = candidates.producers[tensor]
    through = f" (looked through the Cast {producer.through})" if producer.through else ""
    if producer.late:
        followed = f"fed only by constants and variables ({producer.name}), which are"
        text = f"gray: {followed} {producer.dtype}"
    else:
        text = f"gray: follows {producer.name}{through}, which is {producer.dtype}"
    chosen = choice.column[tensor]
    if chosen is not None and chosen != producer.dtype:
        text += f"; no kernel takes that, so {chosen}"
    return text


def _deciding(candidates: Candidates, order: Sequence[int]) -> int:
    """Return the first input that had a choice between float types, else the first of all."""
    inputs = order[: len(candidates.producers)]
    floats = (i for i in inputs if {HALF, SINGLE} & {column[i] for column in candidates.columns})
    return next(floats, order[0])


def _kept(candidates: Candidates, mode: Mode, keep_dtype: bool) -> str:
    if keep_dtype:
        return "keep_dtype: keeps the types of the graph"
    if candidates.kept:
        return "a Cast of the graph itself: keeps its types"
    if mode is Mode.MUST_KEEP:
        return "keeps the types of the graph"
    return "keeps the types of the graph, for which it has a kernel"


def _forced(candidates: Candidates, choice: Choice, dtype: str) -> str:
    if dtype in choice.column:
        return f"forced: {dtype} wherever a kernel has it"
    if SINGLE in candidates.origin:
        return f"forced, but it has no {dtype} kernel"
    return "forced, but it has nothing in float32"


def _mixed_output(candidates: Candidates, choice: Choice) -> str:
    """Say that an output stays float32 though the inputs became float16."""
    count = len(candidates.producers)
    inputs, outputs = choice.column[:count], choice.column[count:]
    if HALF in inputs and SINGLE in outputs and HALF not in outputs:
        return "; its output is always float32"
    return ""


def warnings_of(state: Compilation) -> Tuple[str, ...]:
    """Return what a person should know besides the rows, the options' warnings first."""
    rows = [one.row for one in state.decided]
    warnings = list(state.options.warnings)
    unknown = {row.name: row for row in rows if row.rule is Rule.UNKNOWN}
    for (ge_type, why), names in _grouped(unknown.values()).items():
        warnings.append(f"{ge_type} is {why} ({abbreviated(names)})")
    for engine, meaning in _MEANING.items():
        slow = (row for row in rows if row.engine is engine)
        for (ge_type, why), names in _grouped(slow).items():
            warnings.append(f"{ge_type} {why}: {meaning} ({abbreviated(names)})")
    custom = state.options.custom
    return (*warnings, *(_unmatched(rows, custom) if custom else ()))


def refuses(warning: str) -> bool:
    """Return whether a warning says that the chip would not compile the graph."""
    return _MEANING[Engine.REFUSED] in warning


def _grouped(rows: Iterable[Operator]) -> Mapping[Tuple[str, str], List[str]]:
    found: Dict[Tuple[str, str], List[str]] = {}
    for row in rows:
        found.setdefault((row.ge_type, row.reason), []).append(row.name)
    return found


def abbreviated(names: Sequence[str]) -> str:
    """Return the first three names, and how many more there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _unmatched(rows: Sequence[Operator], custom: CustomDtypes) -> List[str]:
    names, types = {row.name for row in rows}, {row.ge_type for row in rows}
    lacking = [f'has the name "{name}"' for name in custom.names if name not in names]
    lacking += [f'is a "{name}"' for name in custom.types if name not in types]
    return [f"customize_dtypes: no operator {each}, so its line does nothing" for each in lacking]
