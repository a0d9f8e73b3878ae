"""The functions that If, While and PartitionedCall call: compiled with the graph that calls.

A call takes the types of what feeds it, and gives those of what its functions return. Of a While
each input, the output in its place, what its functions take there and what its body returns have
one type: that of what feeds it, or that of the graph where its shape changes.
Source: precision-modes.md 6.7; hicann/ge, graph_metadef/graph/refiner/ref_relation.cc,
`BuildRefRelationsForWhile`, and `SubDataFormatDtypeUpdate` of compiler/engines/nn_engine.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from lenet_exp.precision.analysis.shapes import static_shapes
from lenet_exp.precision.ir.functions import FunctionGraph, called_functions, calls, leading_inputs
from lenet_exp.precision.ir.names import Tensor
from lenet_exp.precision.ir.op_traits import LOOPS
from lenet_exp.precision.ir.operators import GraphOperator
from lenet_exp.precision.plan import Engine, Rule
from lenet_exp.precision.planning.compilation import (
    Compilation,
    Decided,
    Function,
    Phase,
    Returned,
    row_of,
)
from lenet_exp.precision.planning.fold_constants import fold_constants
from lenet_exp.precision.planning.prune import prune


def functions_of(
    state: Compilation, operators: Mapping[str, GraphOperator], lower: Phase
) -> Dict[str, Tuple[Function, ...]]:
    """Return the functions of every call, by its name, pruned, folded and lowered."""
    found: Dict[str, Tuple[Function, ...]] = {}
    for name, operator in operators.items():
        if calls(state.graph, name):
            begin = leading_inputs(operator.tf_type)
            origins = [value.dtype for value in operator.inputs[begin:]]
            called = called_functions(state.graph, name, origins)
            found[name] = tuple(_compiled(function, state, lower) for function in called)
    return found


def _compiled(function: FunctionGraph, caller: Compilation, lower: Phase) -> Function:
    state = Compilation(function.graph, function.fetched, caller.options)
    state = lower(prune(fold_constants(prune(state))))
    return Function(function.label, state, function.arguments, function.results)


def select_call(
    state: Compilation, operator: GraphOperator, given: Sequence[str], select: Phase
) -> Tuple[Decided, List[Compilation]]:
    """Return a call's row, and its functions after selection.

    `given` are the types of the call's inputs, `select` is the phase itself.
    """
    loops = operator.tf_type in LOOPS
    given = _kept_by_a_loop(state, operator, given) if loops else given
    handed = given[leading_inputs(operator.tf_type) :]
    selected, returned = [], []
    for function in state.functions[operator.name]:
        types = {Tensor(name, 0): dtype for name, dtype in zip(function.arguments, handed)}
        inner = select(function.state._replace(chosen=types))
        graph = inner.graph
        results = [graph.source(graph.data[name][0]) for name in function.results]
        dtypes = [inner.chosen.get(tensor) or inner.dtype(tensor) for tensor in results]
        selected.append(inner)
        returned.append(Returned(function.label, tuple(results), tuple(dtypes)))
    rule, outputs = Rule.UNKNOWN, tuple(output.dtype for output in operator.outputs)
    reason = "not decided: the graph lacks its functions"
    if returned:
        rule, outputs = Rule.GRAY, returned[0].types
        reason = "its functions take the types of its inputs, and it gives those of their results"
        if loops:
            outputs = tuple(given)
            reason = "its functions take the types of its inputs, and give them in every iteration"
    row = row_of(operator, state.options, (*given, *outputs), (rule, reason, Engine.NONE))
    return Decided(operator, row, tuple(returned)), selected


def _kept_by_a_loop(
    state: Compilation, operator: GraphOperator, given: Sequence[str]
) -> Tuple[str, ...]:
    """Return the types that a While has throughout: the graph's where a shape is not the same.

    Source: `CheckRelatedEdgesOriginShape` in hicann/ge.
    """
    written = [_dimensions(each) for each in _shapes(state.graph.nodes[operator.name])]
    open_ones = [
        value.source for value, dims in zip(operator.inputs, written) if dims is None or -1 in dims
    ]
    known = static_shapes(state.graph, state.types, open_ones) if open_ones else {}
    return tuple(
        value.dtype if known.get(value.source) is not None else dtype
        for value, dtype in zip(operator.inputs, given)
    )


def _shapes(node: Any) -> Sequence[Any]:
    """Return the shapes that a While says its loop variables have in all iterations."""
    return node.attr["output_shapes"].list.shape if "output_shapes" in node.attr else ()


def _dimensions(shape: Any) -> Optional[Tuple[int, ...]]:
    return None if shape.unknown_rank else tuple(dim.size for dim in shape.dim)
