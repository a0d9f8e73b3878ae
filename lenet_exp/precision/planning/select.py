"""One operator's decision: where it runs, which column, and the row that says so.

Source: precision-modes.md 4 and 5.
"""

from __future__ import annotations

from typing import Mapping, NamedTuple, Optional, Sequence, Tuple

from lenet_exp.precision.plan import Colour, Engine, Generation, Mode, Operator, Rule
from lenet_exp.precision.planning.dtype_overrides import CustomDtypes, allowed_columns
from lenet_exp.precision.planning.lower import GraphOperator
from lenet_exp.precision.planning.placement import Support, support
from lenet_exp.precision.planning.reasons import reason
from lenet_exp.precision.planning.selection_rules import Producer, Question, choose, column_types
from lenet_exp.precision.target.operator_library import OperatorLibrary


class Settings(NamedTuple):
    """What the decision of every operator depends on. `colours` by GE type."""

    mode: Mode
    generation: Generation
    library: OperatorLibrary
    colours: Mapping[str, Colour]
    custom: Optional[CustomDtypes]

    def colour(self, ge_type: str) -> Colour:
        """Return the list of a GE type, NONE if the library lacks it."""
        return self.colours.get(ge_type, Colour.NONE)


def decide(
    operator: GraphOperator, producers: Sequence[Producer], settings: Settings
) -> Tuple[Operator, bool]:
    """Return an operator's row, and whether its types are known.

    Raises:
        PrecisionError: customize_dtypes leaves it no column.
    """
    keeps = operator.keeps and settings.mode is not Mode.MUST_KEEP
    found = support(operator, settings.library, _reduces(operator, settings, keeps))
    if not found.columns:
        return _unchosen(operator, producers, settings, found), found.known
    question = _question(operator, producers, settings, found, keeps)
    answer = choose(question, settings.mode)
    types = column_types(answer.column, operator.origin)
    sentence = reason(question, answer, settings.mode, keeps)
    return _row(operator, producers, settings, types, (answer.rule, sentence, found.engine)), True


def _reduces(operator: GraphOperator, settings: Settings, keeps: bool) -> bool:
    """Return whether the support test may reduce float32 here. Source: 4.1."""
    if settings.mode is Mode.MUST_KEEP or keeps:
        return False
    black = settings.colour(operator.ge_type) is Colour.BLACK
    return not (black and settings.mode is Mode.ALLOW_MIX_PRECISION)


def _question(
    operator: GraphOperator,
    producers: Sequence[Producer],
    settings: Settings,
    found: Support,
    keeps: bool,
) -> Question:
    columns = found.columns
    # The documentation: no effect with must_keep_origin_dtype (6.6).
    if settings.custom is not None and settings.mode is not Mode.MUST_KEEP:
        fixed = settings.custom.of(operator)
        if fixed is not None:
            columns = allowed_columns(operator, fixed, columns)
    entry = settings.library.operators[operator.ge_type]
    complex_tensor = any(dtype.startswith("complex") for dtype in operator.origin)
    return Question(
        columns=columns,
        inputs=tuple(value.dtype for value in operator.inputs),
        outputs=tuple(output.dtype for output in operator.outputs),
        producers=tuple(producers),
        colour=settings.colour(operator.ge_type),
        null=entry.null,
        kept=keeps or operator.ge_type == "Cast" or complex_tensor,
        first=operator.ge_type in settings.library.fp16_first and not keeps,
    )


def _unchosen(
    operator: GraphOperator, producers: Sequence[Producer], settings: Settings, found: Support
) -> Operator:
    """Return the row of an operator that keeps the graph's types without a choice."""
    told = {
        Engine.AI_CPU: (Rule.AI_CPU, f"AI CPU: {found.why}; it keeps the types of the graph"),
        Engine.REFUSED: (
            Rule.REFUSED,
            f"refused: {found.why}, and the AI CPU has no such operator",
        ),
        Engine.NONE: (Rule.UNKNOWN, f"not decided: {found.why}; the types of the graph are left"),
    }
    rule, sentence = told[found.engine]
    if found.known and found.engine is Engine.NONE:
        rule, sentence = Rule.GRAY, "a null operator of a type without float kernels: type kept"
    decision = (rule, sentence, found.engine)
    return _row(operator, producers, settings, operator.origin, decision)


def _row(
    operator: GraphOperator,
    producers: Sequence[Producer],
    settings: Settings,
    types: Sequence[str],
    decision: Tuple[Rule, str, Engine],
) -> Operator:
    count = len(operator.inputs)
    entry = settings.library.operators.get(operator.ge_type)
    rule, sentence, engine = decision
    origin = operator.origin
    return Operator(
        name=operator.name,
        tf_type=operator.tf_type,
        ge_type=operator.ge_type,
        inputs=tuple(types[:count]),
        outputs=tuple(types[count:]),
        casts=tuple(i for i in range(count) if producers[i].now != types[i]),
        colour=settings.colour(operator.ge_type),
        rule=rule,
        reason=sentence,
        engine=engine,
        unit="none" if entry is None else entry.unit,
        parts=operator.parts,
        ports=tuple(value.port for value in operator.inputs),
        results=tuple(o.key if o.real else None for o in operator.outputs),
        origin_inputs=origin[:count],
        origin_outputs=origin[count:],
    )
