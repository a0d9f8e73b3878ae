"""One set of fetches and feeds of a session: planned, emulated, and imported beside the graph."""

from __future__ import annotations

import re
from typing import Any, List, NamedTuple, Optional, Sequence, Set, Tuple

from lenet_exp import tf_compat
from lenet_exp.precision import Plan, assign, emulate
from lenet_exp.precision.analysis.step_sections import is_backward
from lenet_exp.precision.emulation.exact import float_status
from lenet_exp.precision.emulation.trace.counters import Traces
from lenet_exp.precision.ir.op_traits import (
    CONTROL_FLOW,
    PASS_THROUGH,
    PLAIN_WRITES,
    VARIABLES,
    updates,
)
from lenet_exp.precision.planning.options import nodes_of
from lenet_exp.script.asked import Asked
from lenet_exp.script.graft import Grafted, graft
from lenet_exp.script.step_graph import StepGraph, step_graph

_OPTIMIZER = re.compile("(Resource)?(Sparse)?Apply")
_ON_THE_WAY = PASS_THROUGH | CONTROL_FLOW  # from a variable to what writes it


class EmulatedRun(NamedTuple):
    """What a session runs instead.

    tensors, operations: for those that are fetched, in their order.
    seen: what each reading of the float status found, 0 for no overflow.
    """

    tensors: Tuple[Any, ...]
    operations: Tuple[Any, ...]
    seen: Tuple[Any, ...]
    traces: Optional[Traces]
    grafted: Grafted


def needed(
    graph: Any, tensors: Sequence[Any], operations: Sequence[Any], fed: Sequence[Any]
) -> StepGraph:
    """Return the graph of a run."""
    return step_graph(graph, [*operations, *(tensor.op for tensor in tensors)], fed)


def plan_run(
    step: StepGraph, tensors: Sequence[Any], operations: Sequence[Any], asked: Asked
) -> Plan:
    """Return the chip's plan of a run.

    Raises:
        GraphError: it can't be planned.
    """
    kept = [name for name in asked.keep_dtype if nodes_of(step.graph_def, name)]
    names = [op.name for op in (*operations, *(tensor.op for tensor in tensors))]
    fetches, options = list(dict.fromkeys(names)), asked.options()
    return assign(step.graph_def, asked.mode, fetches=fetches, keep_dtype=kept, **options)


def changes_numbers(plan: Plan) -> bool:
    """Return whether a plan computes anything in float16, or reads the float status."""
    narrow = any(
        "float16" in (*row.inputs, *row.outputs, *row.origin_inputs, *row.origin_outputs)
        for row in plan.operators
    )
    return narrow or any(float_status.kind(node) for node in plan.graph_def.node)


def trains(step: StepGraph) -> bool:
    """Return whether a run changes what is learnt: neither a metric's sums nor a counter."""
    written = [op for op in step.operations.values() if _is_float(op.node_def)]
    if any(_OPTIMIZER.match(op.type) for op in written):
        return True
    backward = any(map(is_backward, step.operations))
    by_hand = [op for op in written
               if updates(op.node_def) or (backward and op.type in PLAIN_WRITES)]  # fmt: skip
    changed = {_variable(op) for op in by_hand} - {""}
    if not changed:
        return False
    keys, graph = tf_compat.load().GraphKeys, by_hand[0].graph
    if changed & _names(graph, keys.TRAINABLE_VARIABLES):
        return True
    return backward and bool(
        changed - _names(graph, keys.LOCAL_VARIABLES) - _names(graph, keys.METRIC_VARIABLES)
    )


def _is_float(node: Any) -> bool:
    kinds = (node.attr[name].type for name in ("T", "dtype") if name in node.attr)
    return any(tf_compat.load().as_dtype(kind).is_floating for kind in kinds if kind)


def _variable(op: Any) -> str:
    """Return the name of the variable that an operation writes; "" where it writes none."""
    while op.type not in VARIABLES:
        if op.type not in _ON_THE_WAY and not updates(op.node_def) and op.type not in PLAIN_WRITES:
            return ""
        op = op.inputs[0].op
    return str(op.name)


def _names(graph: Any, collection: str) -> Set[str]:
    return {str(one.name).partition(":")[0] for one in graph.get_collection(collection)}


def emulate_run(
    step: StepGraph,
    plan: Plan,
    graph: Any,
    tensors: Sequence[Any],
    operations: Sequence[Any],
    trace: bool = False,
) -> EmulatedRun:
    """Import what computes as the chip would; `tensors` and `operations` are what is fetched.

    Raises:
        GraphError: it can't be emulated.
    """
    names = [tensor.name for tensor in tensors]
    made = emulate(step.graph_def, plan, fetches=names, trace=trace)
    seen = _readings(plan, made.graph_def)
    roots = [*names, *(op.name for op in operations), *seen]
    if made.traces is not None:
        more = (made.traces.counts, made.traces.largest, made.traces.reset, made.traces.iterations)
        roots += [name for name in more if name is not None]
    grafted = graft(step, made.graph_def, roots, graph)
    found = tuple(grafted.tensor(name) for name in names)
    run = tuple(grafted.operation(op.name) for op in operations)
    counted = tuple(grafted.tensor(name) for name in seen)
    return EmulatedRun(found, run, counted, made.traces, grafted)


def _readings(plan: Plan, graph_def: Any) -> List[str]:
    """Return what each reading of the float status gives: 0 where nothing overflowed."""
    made = {node.name for node in graph_def.node}
    reads = [n.name for n in plan.graph_def.node if float_status.kind(n) in {"get", "get_v2"}]
    return [name if f"{name}/words" not in made else f"{name}/words" for name in reads]
