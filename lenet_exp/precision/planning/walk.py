"""The traversal: every operator once, producers first, with the types decided so far.

Source: precision-modes.md 4.2 and 6.7.
"""

from __future__ import annotations

import heapq
from typing import Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from lenet_exp.errors import GraphError
from lenet_exp.precision.ir.function_bodies import (
    Body,
    bodies,
    calls,
    leading_inputs,
    result_tensors,
)
from lenet_exp.precision.ir.graph import BACK_EDGES, CONSTANTS
from lenet_exp.precision.plan import CastEdge, Colour, Engine, Operator, Rule, Tensor
from lenet_exp.precision.planning.eliminate_casts import DecidedOperator
from lenet_exp.precision.planning.fuse import fuse
from lenet_exp.precision.planning.lower import GraphOperator, Input, late, visible_operators
from lenet_exp.precision.planning.prepare import Prepared, prepare_graph
from lenet_exp.precision.planning.select import Settings, decide
from lenet_exp.precision.planning.selection_rules import HALF, SINGLE, Producer


class Decided(NamedTuple):
    """Operators in the order of their decision, the casts put in, the rows that aren't known."""

    operators: Tuple[DecidedOperator, ...]
    casts: Tuple[CastEdge, ...]
    unknown: Tuple[Operator, ...]

    @property
    def rows(self) -> Tuple[Operator, ...]:
        """The rows alone."""
        return tuple(one.row for one in self.operators)


def walk(prepared: Prepared, settings: Settings, keeps: Sequence[str]) -> Decided:
    """Decide every operator of a prepared graph, the bodies of its calls included.

    Raises:
        PrecisionError: customize_dtypes leaves an operator no column.
    """
    walker = _Walker(settings, keeps)
    walker.visit_all(prepared)
    return Decided(tuple(walker.operators), tuple(walker.casts), tuple(walker.unknown))


def decision_order(
    prepared: Prepared, operators: Mapping[str, GraphOperator]
) -> Iterator[GraphOperator]:
    """Yield operators so that producers come first, else in the GraphDef's order.

    A loop's back edge (NextIteration to Merge) is left out: that producer is not visited yet.
    """
    made_by = {o.key: operator.name for operator in operators.values() for o in operator.outputs}
    position = {name: i for i, name in enumerate(prepared.graph.nodes)}
    waiting: Dict[str, int] = {}
    after: Dict[str, List[str]] = {}
    for operator in operators.values():
        before = {made_by[i.source] for i in operator.inputs if i.source in made_by}
        before = {name for name in before if operators[name].tf_type not in BACK_EDGES}
        waiting[operator.name] = len(before)
        for name in before:
            after.setdefault(name, []).append(operator.name)
    ready = [
        (position[operators[name].parts[0]], name) for name, count in waiting.items() if not count
    ]
    heapq.heapify(ready)
    done = 0
    while ready:
        _, name = heapq.heappop(ready)
        done += 1
        yield operators[name]
        for consumer in after.get(name, ()):
            waiting[consumer] -= 1
            if not waiting[consumer]:
                heapq.heappush(ready, (position[operators[consumer].parts[0]], consumer))
    if done < len(operators):
        stuck = next(name for name, count in waiting.items() if count > 0)
        raise GraphError(stuck, "it is part of a cycle", "a graph TensorFlow can run")


class _Walker:
    """The state of a traversal: what each tensor became, by name."""

    def __init__(self, settings: Settings, keeps: Sequence[str]) -> None:
        self.settings = settings
        self.keeps = keeps
        self.operators: List[DecidedOperator] = []
        self.casts: List[CastEdge] = []
        self.unknown: List[Operator] = []
        self._now: Dict[Tensor, str] = {}
        # A Cast of the graph itself, by its output: its row and what is in front of it.
        self._user_casts: Dict[Tensor, Tuple[Operator, Input]] = {}

    def visit_all(self, prepared: Prepared) -> None:
        library = self.settings.library
        operators = fuse(prepared, library, visible_operators(prepared, library, self.keeps))
        names = {o.key: operator.name for operator in operators.values() for o in operator.outputs}
        for operator in decision_order(prepared, operators):
            producers = [self._producer(prepared, value, names) for value in operator.inputs]
            if calls(prepared.graph, operator.parts[-1]):
                self._call(prepared, operator, producers)
            else:
                row, known = decide(operator, producers, self.settings)
                self._record(prepared, operator, row)
                if not known:
                    self.unknown.append(row)
        self._close_loops(prepared, operators)

    def _close_loops(self, prepared: Prepared, operators: Mapping[str, GraphOperator]) -> None:
        """Give the inputs that a loop's end feeds the casts they need, now that it is decided.

        Source: 6.8, casts come after selection.
        """
        loops = [one for one in operators.values() if one.tf_type in BACK_EDGES]
        made = {output.key for one in loops for output in one.outputs}
        for index, (operator, row) in enumerate(self.operators if made else ()):
            ends = [slot for slot, value in enumerate(operator.inputs) if value.source in made]
            if ends:
                needed = [s for s in ends if self._type(operator.inputs[s]) != row.inputs[s]]
                casts = sorted({*row.casts} - {*ends} | {*needed})
                edges = [e for e in self.casts if e.consumer != row.name or e.slot not in ends]
                self.casts = edges + [self._edge(prepared, operator, row, s) for s in needed]
                self.operators[index] = DecidedOperator(operator, row._replace(casts=tuple(casts)))

    def _record(self, prepared: Prepared, operator: GraphOperator, row: Operator) -> None:
        self.operators.append(DecidedOperator(operator, row))
        for output, dtype in zip(operator.outputs, row.outputs):
            self._now[output.key] = dtype
        if row.ge_type == "Cast":
            self._user_casts[operator.outputs[0].key] = (row, operator.inputs[0])
        self.casts += [self._edge(prepared, operator, row, slot) for slot in row.casts]

    def _edge(
        self, prepared: Prepared, operator: GraphOperator, row: Operator, slot: int
    ) -> CastEdge:
        value = operator.inputs[slot]
        return CastEdge(
            producer=value.source,
            consumer=row.name,
            slot=slot,
            port=value.port,
            source=self._type(value),
            target=row.inputs[slot],
            on_host=_is_constant(prepared, value.source),
        )

    def _type(self, value: Input) -> str:
        return self._now.get(value.source, value.dtype)

    def _producer(self, prepared: Prepared, value: Input, names: Mapping[Tensor, str]) -> Producer:
        now = self._type(value)
        # A constant that a fusion made has no node.
        is_late = value.source not in names and (
            value.source.node not in prepared.graph.nodes or late(prepared, value.source)
        )
        cast = self._user_casts.get(value.source)
        if cast is None or not self._looked_through(cast[0]):
            name = names.get(value.source, value.source.node)
            return Producer(name, now, now, is_late)
        row, front = cast
        name = names.get(front.source, front.source.node)
        return Producer(name, now, self._type(front), is_late, through=row.name)

    def _looked_through(self, cast: Operator) -> bool:
        """Source: 5.1, gray input."""
        black = self.settings.colour("Cast") is Colour.BLACK
        return not black and (cast.inputs, cast.outputs) == ((HALF,), (SINGLE,))

    def _call(
        self, prepared: Prepared, operator: GraphOperator, producers: Sequence[Producer]
    ) -> None:
        """Visit a call's functions with it; it takes and gives the types of their borders."""
        given = [producer.now for producer in producers]
        outputs: Optional[List[str]] = None
        begin = leading_inputs(operator.tf_type)
        origins = [value.dtype for value in operator.inputs]
        for body in bodies(prepared.graph, operator.name, origins[begin:]):
            results = self._visit_body(body, given[begin:])
            if outputs is None:
                outputs = [dtype for _, dtype in results]
            self._join(body, results, outputs)
        row = _call_row(operator, given, outputs)
        self._record(prepared, operator, row)
        if outputs is None:
            self.unknown.append(row)

    def _visit_body(self, body: Body, given: Sequence[str]) -> List[Tuple[Tensor, str]]:
        prepared = prepare_graph(body.graph, body.fetched, self.settings.library)
        for name, dtype in zip(body.arguments, given):
            self._now[Tensor(name, 0)] = dtype
        self.visit_all(prepared)
        tensors = result_tensors(body, prepared.graph)
        return [(tensor, self._now.get(tensor, prepared.dtype(tensor))) for tensor in tensors]

    def _join(
        self, body: Body, results: Sequence[Tuple[Tensor, str]], outputs: Sequence[str]
    ) -> None:
        """Cast a later branch's results to the first one's types."""
        for index, ((tensor, dtype), target) in enumerate(zip(results, outputs)):
            if {dtype, target} == {HALF, SINGLE}:
                self.casts.append(CastEdge(tensor, body.label, index, None, dtype, target, False))


def _is_constant(prepared: Prepared, source: Tensor) -> bool:
    node = prepared.graph.nodes.get(source.node)
    return node is None or node.op in CONSTANTS


def _call_row(
    operator: GraphOperator, given: Sequence[str], outputs: Optional[Sequence[str]]
) -> Operator:
    origin = tuple(output.dtype for output in operator.outputs)
    known = outputs is not None
    return Operator(
        name=operator.name,
        tf_type=operator.tf_type,
        ge_type=operator.ge_type,
        inputs=tuple(given),
        outputs=tuple(outputs) if outputs is not None else origin,
        casts=(),
        colour=Colour.NONE,
        rule=Rule.GRAY if known else Rule.UNKNOWN,
        reason="its functions take the types of its inputs, and it gives those of their results"
        if known
        else "not decided: the graph lacks its functions",
        engine=Engine.NONE,
        unit="none",
        parts=operator.parts,
        ports=tuple(value.port for value in operator.inputs),
        results=tuple(output.key for output in operator.outputs),
        origin_inputs=tuple(value.dtype for value in operator.inputs),
        origin_outputs=origin,
    )
