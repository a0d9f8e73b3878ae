"""Every operator's decision: where it runs, which column, and the row that says so.

Source: precision-modes.md 4, 5 and 6.7.
"""

from __future__ import annotations

from typing import Dict, Iterator, List, Mapping, Sequence, Tuple

from lenet_exp.precision.analysis.placement import (
    Support,
    same_kinds,
    support,
    together,
    with_kernels,
)
from lenet_exp.precision.ir.graph import topological_order
from lenet_exp.precision.ir.names import Tensor
from lenet_exp.precision.ir.op_traits import BACK_EDGES, SHAPES_OF_HANDLES
from lenet_exp.precision.ir.operators import GraphOperator, Input
from lenet_exp.precision.plan import Engine, Operator, Rule
from lenet_exp.precision.planning.compilation import Compilation, Decided, PlanOptions, row_of
from lenet_exp.precision.planning.dtype_overrides import allowed_columns, no_kernel, wanted_types
from lenet_exp.precision.planning.reasons import followed_input, reason
from lenet_exp.precision.planning.selection_rules import HALF, SINGLE, Candidates, Producer, choose
from lenet_exp.precision.planning.subgraphs import select_call
from lenet_exp.precision.target.modes import Colour, Mode
from lenet_exp.precision.target.operator_library import NodeColumn, column_types

_SET = (Engine.AI_CPU, Engine.NONE)  # where customize_dtypes sets types that no kernel has


def select(state: Compilation) -> Compilation:
    """Decide every operator, producers first; a call's functions are decided with it.

    Raises:
        GraphError: a cycle that isn't a while loop's.
        PrecisionError: customize_dtypes leaves an operator no column.
    """
    decided: List[Decided] = []
    chosen: Dict[Tensor, str] = dict(state.chosen)
    made_by = {o.key: one for one in state.operators.values() for o in one.outputs}
    graph_casts: Dict[Tensor, Decided] = {}  # by their output
    seen = state._replace(chosen=chosen)  # grows with every decision
    for operator in _decision_order(state, made_by):
        producers = [_producer(seen, value, made_by, graph_casts) for value in operator.inputs]
        if operator.name in state.functions:
            given = [producer.now for producer in producers]
            one, functions = select_call(state, operator, given, select)
            for function in functions:
                decided += function.decided
                chosen.update(function.chosen)
        else:
            one = decide(operator, producers, state.options)
        decided.append(one)
        chosen.update((o.key, dtype) for o, dtype in zip(operator.outputs, one.row.outputs))
        if one.row.ge_type == "Cast":
            graph_casts[operator.outputs[0].key] = one
    return state._replace(decided=tuple(decided), chosen=chosen)


def _decision_order(
    state: Compilation, made_by: Mapping[Tensor, GraphOperator]
) -> Iterator[GraphOperator]:
    """Yield operators so that producers come first, else in the GraphDef's order.

    A loop's back edge (NextIteration to Merge) is left out: that producer is not decided yet.
    """
    before = {}
    for name, operator in state.operators.items():
        makers = (made_by.get(value.source) for value in operator.inputs)
        before[name] = {m.name for m in makers if m is not None and m.tf_type not in BACK_EDGES}
    return (state.operators[name] for name in topological_order(before))


def _producer(
    state: Compilation,
    value: Input,
    made_by: Mapping[Tensor, GraphOperator],
    graph_casts: Mapping[Tensor, Decided],
) -> Producer:
    now = state.type_of(value)
    cast = graph_casts.get(value.source)
    front, through = value, ""
    if cast is not None and looked_through(state.options, cast.row):
        front, through = cast.operator.inputs[0], cast.row.name
    maker = made_by.get(front.source)
    name = front.source.node if maker is None else maker.name
    return Producer(name, now, state.type_of(front), value.late, through)


def looked_through(options: PlanOptions, cast: Operator) -> bool:
    """Return whether what is behind a Cast follows what is in front. Source: 5.1, gray input."""
    black = options.colour("Cast") is Colour.BLACK
    return not black and (cast.inputs, cast.outputs) == ((HALF,), (SINGLE,))


def decide(operator: GraphOperator, producers: Sequence[Producer], options: PlanOptions) -> Decided:
    """Return an operator with its row, still without casts.

    Raises:
        PrecisionError: customize_dtypes leaves it no column.
    """
    keeps = operator.keeps and options.mode is not Mode.MUST_KEEP
    found = support(operator, options.library, _reduces(operator, options, keeps))
    found, left = _by_line(operator, options, found)
    if not left:
        return Decided(operator, _unchosen(operator, options, found))
    candidates = _candidates(operator, producers, options, (found.columns, left), keeps)
    choice = choose(candidates, options.mode)
    types = column_types(choice.column, operator.origin)
    if operator.tf_type in SHAPES_OF_HANDLES:  # a handle is never cast
        types = (producers[0].now, *types[1:])
    if not same_kinds(types, operator.origin):
        return Decided(operator, _unchosen(operator, options, together(operator, options.library)))
    sentence = reason(candidates, choice, options.mode, keeps)
    row = row_of(operator, options, types, (choice.rule, sentence, found.engine))
    follows = choice.rule is Rule.GRAY and bool(producers)
    slot = followed_input(candidates, choice.order) if follows else None
    return Decided(operator, row, followed=slot)


def _reduces(operator: GraphOperator, options: PlanOptions, keeps: bool) -> bool:
    """Return whether the support test may reduce float32 here. Source: 4.1."""
    if options.mode is Mode.MUST_KEEP or keeps:
        return False
    black = options.colour(operator.ge_type) is Colour.BLACK
    # hicann/ge, sub_ops_store.cc, PrecisionReduceToFp16.
    return not (black and options.mode in (Mode.ALLOW_MIX_PRECISION, Mode.FORCE_FP32))


def _by_line(
    operator: GraphOperator, options: PlanOptions, found: Support
) -> Tuple[Support, Sequence[NodeColumn]]:
    """Return where an operator runs, and the columns that a line of customize_dtypes leaves.

    The line stands for the test of types, but where it would make a float of an integer: there it
    is left out. A Cast writes the type that it says itself.
    Source: hicann/ge, sub_ops_store.cc, `CheckCustomizeDtype` and `CheckFormatAndDtypeNormalMode`.

    Raises:
        PrecisionError: it leaves none of an operator that the chip would take without it.
    """
    fixed = options.fixed(operator)
    if fixed is None:
        return found, found.columns
    forced = found if operator.ge_type == "Cast" else with_kernels(operator, options.library)
    allowed = allowed_columns(operator, fixed, forced.columns)
    if not allowed and found.columns:
        raise no_kernel(operator, found.columns)
    origin = operator.origin
    left = [column for column in allowed if same_kinds(column_types(column, origin), origin)]
    return (forced, left) if left else (found, found.columns)


def _candidates(
    operator: GraphOperator,
    producers: Sequence[Producer],
    options: PlanOptions,
    columns: Tuple[Sequence[NodeColumn], Sequence[NodeColumn]],
    keeps: bool,
) -> Candidates:
    """Return what an operator may become; `columns` are all of its own, and those that are left."""
    entry = options.library.operators[operator.ge_type]
    complex_tensor = any(dtype.startswith("complex") for dtype in operator.origin)
    return Candidates(
        columns=tuple(columns[1]),
        origin=operator.origin,
        producers=tuple(producers),
        colour=options.colour(operator.ge_type),
        null=entry.null,
        kept=keeps or operator.ge_type == "Cast" or complex_tensor,
        first=operator.ge_type in options.library.fp16_first and not keeps,
        widens=entry.unit == "cube" and _widens(operator, columns[0]),
    )


def _widens(operator: GraphOperator, columns: Sequence[NodeColumn]) -> bool:
    """Source: hicann/ge, op_format_dtype_judge.cc, IsNodeSupport16In32out."""
    output = len(operator.inputs)
    return any((column[0], column[output]) == (HALF, SINGLE) for column in columns)


def _unchosen(operator: GraphOperator, options: PlanOptions, found: Support) -> Operator:
    """Return the row of an operator without a choice: it has the types of the graph.

    Where the compiler or the AI CPU runs it, customize_dtypes can set others all the same, but no
    line does that changes what a Cast writes.
    Source: hicann/ge, format_dtype_setter.cc, `SetNodeDtypeByCustomDtypes`.
    """
    types, why, fixed = operator.origin, found.why, options.fixed(operator)
    if fixed is not None and found.rule in (Rule.AI_CPU, Rule.KEEP) and found.engine in _SET:
        wanted = column_types(wanted_types(operator, fixed), types)
        writes = operator.ge_type == "Cast" and wanted[1:] != types[1:]
        if wanted != types and same_kinds(wanted, types) and not writes:
            types, why = wanted, f"{why}, but for those that customize_dtypes gives"
    return row_of(operator, options, types, (found.rule, why, found.engine))
