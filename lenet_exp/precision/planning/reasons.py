"""What a plan says to a person: why an operator has its types, and what else to know of it."""

from __future__ import annotations

from typing import Dict, Iterable, Iterator, List, Mapping, Sequence, Tuple

from lenet_exp.precision.analysis.composites import (
    Composite,
    float16_normalisations,
    float16_updates,
)
from lenet_exp.precision.analysis.integers import LARGEST, LARGEST_EXACT, Lost, lost_integers
from lenet_exp.precision.analysis.placement import same_kinds
from lenet_exp.precision.plan import Engine, Operator, Rule
from lenet_exp.precision.planning.compilation import Compilation, PlanOptions
from lenet_exp.precision.planning.dtype_overrides import Types, agrees, wanted_types
from lenet_exp.precision.planning.options import unread
from lenet_exp.precision.planning.selection_rules import HALF, SINGLE, Candidates, Choice
from lenet_exp.precision.target.modes import Mode

_FIXED = {
    Rule.BLACK: "black: keeps the types of the graph",
    Rule.FP16_FIRST: "on the float16-first list: float16, its bias and outputs too",
    Rule.REDUCED: "reduced: it has no float32 kernel, so float16 throughout",
    Rule.CUBE: "cube operator: float16 in, float32 out",
}
_INTEGERS = (
    f"above {LARGEST_EXACT} float16 does not have every integer, above {LARGEST} none, so what is"
    " computed of it is no longer right then"
)
_FED = f"if it gets above {LARGEST_EXACT}, float16 does not have every integer"
_MEANING = {
    Engine.REFUSED: "the chip refuses to compile this graph",
    Engine.AI_CPU: "slower than the AI core",
    Engine.HOST: "the chip's graph is cut there",
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
    tensor = followed_input(candidates, choice.order)
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


def followed_input(candidates: Candidates, order: Sequence[int]) -> int:
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
    warnings += _composites(state)
    return (*warnings, *_lost(state, rows), *_lines(rows, state.options))


def _lost(state: Compilation, rows: Sequence[Operator]) -> Iterator[str]:
    """Say which integers float16 may not hold; all constants in one, and all that is fed."""
    together: Dict[str, List[Lost]] = {_INTEGERS: [], _FED: []}
    for lost in lost_integers(state.graph, state.types, rows, state.casts):
        if lost.origin.constant or lost.origin.fed:
            together[_FED if lost.origin.fed else _INTEGERS].append(lost)
        else:
            yield _told([lost], _INTEGERS if lost.origin.step == 1 else _step(lost.origin.step))
    yield from (_told(several, meaning) for meaning, several in together.items() if several)


def _told(several: Sequence[Lost], meaning: str) -> str:
    rows = [row for lost in several for row in lost.operators]
    users = list(dict.fromkeys(f"{row.ge_type} {row.name}" for row in rows))
    origins = abbreviated([lost.origin.what for lost in several])
    return f"{origins} {_be(several)} float16 in {abbreviated(users)}: {meaning}"


def _step(step: float) -> str:
    limit = min(step * LARGEST_EXACT, LARGEST)
    return f"a step of {step:g} is lost there above about {limit:g}"


def _composites(state: Compilation) -> List[str]:
    """Say what is written with single operators and squares in float16 (real-networks.md 2.3)."""
    compiled = [(one.operator, one.row) for one in state.decided]
    found = {
        ("the update of", "the updates of"): float16_updates(compiled, state.graph),
        (
            "the normalisation that ends in",
            "the normalisations that end in",
        ): float16_normalisations(compiled, state.graph),
    }
    return [
        f"{several if len(composites) > 1 else one} {abbreviated([c.name for c in composites])} "
        f"{_be(composites)} written with single operators, and {_squares(composites)}: "
        "there the square of what is below 0.00017 is 0, and of what is above 255 65504; "
        f"{_remedy(state.options)}"
        for (one, several), composites in found.items()
        if composites
    ]


def _remedy(options: PlanOptions) -> str:
    """Return what of this mode and generation keeps operators in float32."""
    if options.mode is Mode.MUST_KEEP:  # float16 in the graph itself
        return "float32 in the graph keeps them so"
    lists = unread("modify_mixlist", options.mode.value, options.generation.value) is None
    black = ", or their types on the black list," if lists else ""
    return f"keep_dtype{black} keeps them in float32"


def _squares(composites: Sequence[Composite]) -> str:
    names = list(dict.fromkeys(name for each in composites for name in each.squares))
    return f"square{'s' * (len(composites) == 1)} in float16 ({abbreviated(names)})"


def _be(several: Sequence[object]) -> str:
    return "is" if len(several) == 1 else "are"


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


def _lines(rows: Sequence[Operator], options: PlanOptions) -> Iterator[str]:
    """Say which lines of customize_dtypes fit no operator, and for which they do nothing."""
    if options.custom is None:
        return
    names, types = {row.name for row in rows}, {row.ge_type for row in rows}
    lacking = [f'has the name "{name}"' for name in options.custom.names if name not in names]
    lacking += [f'is a "{name}"' for name in options.custom.types if name not in types]
    yield from (
        f"customize_dtypes: no operator {each}, so its line does nothing" for each in lacking
    )
    left: Dict[Tuple[str, str], List[str]] = {}
    for row in rows:
        fixed = options.fixed(row)
        wanted = wanted_types(row, fixed) if fixed else ()
        if not agrees(wanted, (*row.inputs, *row.outputs)):
            left.setdefault((row.ge_type, _no_line(row, wanted)), []).append(row.name)
    for (ge_type, why), several in left.items():
        yield f"customize_dtypes: its line for {ge_type} {abbreviated(several)} does nothing: {why}"


def _no_line(row: Operator, wanted: Types) -> str:
    if row.engine is Engine.HOST or row.rule in (Rule.REFUSED, Rule.UNKNOWN):
        return row.reason
    count, origin = len(row.inputs), (*row.origin_inputs, *row.origin_outputs)
    other = [
        f"{f'input {index}' if index < count else f'output {index - count}'} ({kind})"
        for index, (one, kind) in enumerate(zip(wanted, origin))
        if one is not None and not same_kinds((one,), (kind,))
    ]
    if row.ge_type == "Cast" and not other:
        return "a Cast writes the type that it says itself"
    what = " and ".join(other) or "another tensor"  # that the kernel for these types changes too
    return f"it would make another kind of number of {what}, which no plan shows"
