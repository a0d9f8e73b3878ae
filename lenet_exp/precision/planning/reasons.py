"""Why an operator has its types, in a sentence for the person who reads the plan."""

from __future__ import annotations

from typing import Sequence

from lenet_exp.precision.plan import Rule
from lenet_exp.precision.planning.selection_rules import HALF, SINGLE, Candidates, Choice, Step
from lenet_exp.precision.target.modes import Mode

_FIXED = {
    Rule.BLACK: "black: keeps the types of the graph",
    Rule.FP16_FIRST: "on the float16-first list: float16, its bias and outputs too",
    Rule.REDUCED: "reduced: it has no float32 kernel, so float16 throughout",
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
        sentence = _forced(candidates, choice)
    else:
        sentence = _FIXED[choice.rule]
    return sentence + _mixed_output(candidates, choice)


def _gray(candidates: Candidates, choice: Choice) -> str:
    if not candidates.producers:
        return "gray, without inputs: keeps the type of the graph"
    step = _deciding(candidates, choice.steps)
    producer = candidates.producers[step.tensor]
    through = f" (looked through the Cast {producer.through})" if producer.through else ""
    if producer.late:
        followed = f"fed only by constants and variables ({producer.name}), which are"
        text = f"gray: {followed} {producer.dtype}"
    else:
        text = f"gray: follows {producer.name}{through}, which is {producer.dtype}"
    chosen = choice.column[step.tensor]
    if chosen is not None and chosen != producer.dtype:
        text += f"; no kernel takes that, so {chosen}"
    return text


def _deciding(candidates: Candidates, steps: Sequence[Step]) -> Step:
    """Return the first tensor that had a choice between float types, else the first of all."""
    for step in steps[: len(candidates.producers)]:
        offered = {column[step.tensor] for column in candidates.columns}
        if {HALF, SINGLE} & offered:
            return step
    return steps[0]


def _kept(candidates: Candidates, mode: Mode, keep_dtype: bool) -> str:
    if keep_dtype:
        return "keep_dtype: keeps the types of the graph"
    if candidates.kept:
        return "a Cast of the graph itself: keeps its types"
    if mode is Mode.MUST_KEEP:
        return "keeps the types of the graph"
    return "keeps the types of the graph, for which it has a kernel"


def _forced(candidates: Candidates, choice: Choice) -> str:
    if HALF in choice.column:
        return "forced: float16 wherever a kernel has it"
    if SINGLE in candidates.origin:
        return "forced, but it has no float16 kernel"
    return "forced, but it has nothing in float32"


def _mixed_output(candidates: Candidates, choice: Choice) -> str:
    """Say that an output stays float32 though the inputs became float16."""
    count = len(candidates.producers)
    inputs, outputs = choice.column[:count], choice.column[count:]
    if HALF in inputs and SINGLE in outputs and HALF not in outputs:
        return "; its output is always float32"
    return ""
