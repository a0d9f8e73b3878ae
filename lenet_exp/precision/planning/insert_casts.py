"""A Cast on every edge whose ends have different types.

Casts come after selection, so that a loop's end is known too. Source: precision-modes.md 6.8.
"""

from __future__ import annotations

from typing import Iterator, List

from lenet_exp.precision.ir.op_traits import BACK_EDGES, LOOPS
from lenet_exp.precision.plan import CastEdge
from lenet_exp.precision.planning.compilation import Compilation, Decided
from lenet_exp.precision.planning.selection_rules import HALF, SINGLE


def insert_casts(state: Compilation) -> Compilation:
    """Put the casts in, and their inputs' indexes into the rows."""
    decided: List[Decided] = []
    casts: List[CastEdge] = []
    for one in state.decided:
        needed = list(_edges(state, one))
        if needed:
            row = one.row._replace(casts=tuple(edge.slot for edge in needed))
            one = one._replace(row=row)
        decided.append(one)
        casts += [*needed, *_at_the_end_of_branches(one)]
    ends = [one for one in decided if one.operator.tf_type in BACK_EDGES]
    closing = {output.key for one in ends for output in one.operator.outputs}
    casts.sort(key=lambda edge: edge.producer in closing)  # stable
    return state._replace(decided=tuple(decided), casts=tuple(casts))


def _edges(state: Compilation, one: Decided) -> Iterator[CastEdge]:
    for slot, (value, target) in enumerate(zip(one.operator.inputs, one.row.inputs)):
        source = state.type_of(value)
        if source != target:
            where = one.row.name, slot, value.port
            edge = CastEdge(value.source, *where, source, target, on_host=value.constant)
            yield edge._replace(others=value.others)


def _at_the_end_of_branches(call: Decided) -> Iterator[CastEdge]:
    """Cast a later branch's results to the first one's types, a loop's to those of its inputs."""
    loops = call.operator.tf_type in LOOPS
    for branch in call.returned[:1] if loops else call.returned[1:]:
        pairs = zip(branch.tensors, branch.types, call.row.outputs)
        for slot, (tensor, source, target) in enumerate(pairs):
            if {source, target} == {HALF, SINGLE}:
                yield CastEdge(tensor, branch.label, slot, None, source, target, False)
