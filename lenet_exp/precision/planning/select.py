"""Every operator's decision: where it runs, which column, and the row that says so.

Source: precision-modes.md 4, 5 and 6.7.
"""

from __future__ import annotations

from typing import Dict, Iterator, List, Mapping, Sequence

from lenet_exp.precision.analysis.placement import Support, same_kinds, support, together
from lenet_exp.precision.ir.graph import topological_order
from lenet_exp.precision.ir.names import Tensor
from lenet_exp.precision.ir.op_traits import BACK_EDGES, SHAPES_OF_HANDLES
from lenet_exp.precision.ir.operators import GraphOperator, Input
from lenet_exp.precision.plan import Operator, Rule
from lenet_exp.precision.planning.compilation import Compilation, Decided, PlanOptions, row_of
from lenet_exp.precision.planning.dtype_overrides import allowed_columns
from lenet_exp.precision.planning.reasons import followed_input, reason
from lenet_exp.precision.planning.selection_rules import HALF, SINGLE, Candidates, Producer, choose
from lenet_exp.precision.planning.subgraphs import select_call
from lenet_exp.precision.target.modes import Colour, Mode
from lenet_exp.precision.target.operator_library import NodeColumn, column_types


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
    if not found.columns:
        return Decided(operator, _unchosen(operator, options, found))
    candidates = _candidates(operator, producers, options, found, keeps)
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


def _candidates(
    operator: GraphOperator,
    producers: Sequence[Producer],
    options: PlanOptions,
    found: Support,
    keeps: bool,
) -> Candidates:
    columns = found.columns
    # The documentation: no effect with must_keep_origin_dtype (6.6).
    if options.custom is not None and options.mode is not Mode.MUST_KEEP:
        fixed = options.custom.of(operator)
        if fixed is not None:
            columns = allowed_columns(operator, fixed, columns)
    entry = options.library.operators[operator.ge_type]
    complex_tensor = any(dtype.startswith("complex") for dtype in operator.origin)
    return Candidates(
        columns=columns,
        origin=operator.origin,
        producers=tuple(producers),
        colour=options.colour(operator.ge_type),
        null=entry.null,
        kept=keeps or operator.ge_type == "Cast" or complex_tensor,
        first=operator.ge_type in options.library.fp16_first and not keeps,
        widens=entry.unit == "cube" and _widens(operator, found.columns),
    )


def _widens(operator: GraphOperator, columns: Sequence[NodeColumn]) -> bool:
    """Source: hicann/ge, op_format_dtype_judge.cc, IsNodeSupport16In32out."""
    output = len(operator.inputs)
    return any((column[0], column[output]) == (HALF, SINGLE) for column in columns)


def _unchosen(operator: GraphOperator, options: PlanOptions, found: Support) -> Operator:
    """Return the row of an operator that keeps the graph's types without a choice."""
    return row_of(operator, options, operator.origin, (found.rule, found.why, found.engine))
