"""Why an operator has its types, in a sentence for the person who reads the plan."""

from __future__ import annotations

from typing import Sequence

from lenet_exp.precision.plan import Mode, Rule
from lenet_exp.precision.planning.selection_rules import HALF, SINGLE, Answer, Question, Step


def reason(question: Question, answer: Answer, mode: Mode, keep_dtype: bool) -> str:
    """Return the sentence for an operator on the AI core, or for a null operator."""
    sentence = _SENTENCES[answer.rule](question, answer)
    if answer.rule is Rule.KEEP:
        sentence = _kept(question, mode, keep_dtype)
    return sentence + _mixed_output(question, answer)


def _white(question: Question, answer: Answer) -> str:
    if HALF not in answer.column:
        return "white: float16 wherever a kernel has it, and none has"
    return "white: float16 wherever a kernel has it"


def _black(question: Question, answer: Answer) -> str:
    return "black: keeps the types of the graph"


def _gray(question: Question, answer: Answer) -> str:
    if not question.producers:
        return "gray, without inputs: keeps the type of the graph"
    step = _deciding(question, answer.steps)
    producer = question.producers[step.tensor]
    through = f" (looked through the Cast {producer.through})" if producer.through else ""
    if producer.late:
        followed = f"fed only by constants and variables ({producer.name}), which are"
        text = f"gray: {followed} {producer.dtype}"
    else:
        text = f"gray: follows {producer.name}{through}, which is {producer.dtype}"
    chosen = answer.column[step.tensor]
    if chosen is not None and chosen != producer.dtype:
        text += f"; no kernel takes that, so {chosen}"
    return text


def _deciding(question: Question, steps: Sequence[Step]) -> Step:
    """Return the first tensor that had a choice between float types, else the first of all."""
    for step in steps[: len(question.producers)]:
        offered = {column[step.tensor] for column in question.columns}
        if {HALF, SINGLE} & offered:
            return step
    return steps[0]


def _first(question: Question, answer: Answer) -> str:
    return "on the float16-first list: float16, its bias and outputs too"


def _kept(question: Question, mode: Mode, keep_dtype: bool) -> str:
    if keep_dtype:
        return "keep_dtype: keeps the types of the graph"
    if question.kept:
        return "a Cast of the graph itself: keeps its types"
    if mode is Mode.MUST_KEEP:
        return "keeps the types of the graph"
    return "keeps the types of the graph, for which it has a kernel"


def _reduced(question: Question, answer: Answer) -> str:
    return "reduced: it has no float32 kernel, so float16 throughout"


def _forced(question: Question, answer: Answer) -> str:
    if HALF in answer.column:
        return "forced: float16 wherever a kernel has it"
    if SINGLE in (*question.inputs, *question.outputs):
        return "forced, but it has no float16 kernel"
    return "forced, but it has nothing in float32"


def _mixed_output(question: Question, answer: Answer) -> str:
    """Say that an output stays float32 though the inputs became float16."""
    count = len(question.inputs)
    inputs, outputs = answer.column[:count], answer.column[count:]
    if HALF in inputs and SINGLE in outputs and HALF not in outputs:
        return "; its output is always float32"
    return ""


_SENTENCES = {
    Rule.WHITE: _white,
    Rule.BLACK: _black,
    Rule.GRAY: _gray,
    Rule.KEEP: _black,
    Rule.FP16_FIRST: _first,
    Rule.REDUCED: _reduced,
    Rule.FORCED: _forced,
}
