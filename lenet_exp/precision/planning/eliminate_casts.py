"""Which Casts a later pass takes away again, in pairs with their inverse.

Source: precision-modes.md 6.8. A pair float32 -> float16 -> float32 is taken away although it
rounds; so what is merged here must not be rounded by an emulator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Iterator, List, Optional, Tuple

from lenet_exp.precision.ir.graph import Graph
from lenet_exp.precision.ir.handles import is_handle
from lenet_exp.precision.ir.names import Port, Tensor
from lenet_exp.precision.ir.op_traits import LAYOUTS
from lenet_exp.precision.plan import RemovedCast
from lenet_exp.precision.planning.compilation import Compilation, Decided
from lenet_exp.precision.planning.selection_rules import HALF, SINGLE
from lenet_exp.precision.target.modes import Generation

_Use = Tuple[str, int]  # the operator that takes a tensor, and at which input


def eliminate_casts(state: Compilation) -> Compilation:
    """Mark the casts that are merged with their inverse, and name those of the graph that are."""
    graph = _CastGraph(state)
    for one in state.decided:
        graph.pair(one)
    graph.remove_firsts()
    if state.options.generation is Generation.TODAY:
        graph.move_across_relus(state)
    edges = [(edge, graph.on_edges[edge.consumer, edge.slot]) for edge in state.casts]
    casts = [edge._replace(removed=cast.removed, reads=cast.reads) for edge, cast in edges]
    own = [(one.row.name, graph.operators.get(one.row.name)) for one in state.decided]
    gone = [RemovedCast(name, cast.reads) for name, cast in own if cast and cast.removed]
    return state._replace(casts=tuple(casts), removed_casts=tuple(gone))


@dataclass(eq=False)
class _Cast:
    """A Cast of `producer`: on an edge, or an operator of the graph with an `output`.

    `value` is what can be read of the producer: itself, of a variable's handle what reads that.
    `front` is the last Cast in front of it that counts, `inverse` that one if both merge; `reads`
    the value in front of both, where its consumer can read that.
    """

    producer: Tensor
    value: Tensor
    source: str
    target: str
    output: Optional[Tensor] = None
    front: Optional[_Cast] = None
    inverse: Optional[_Cast] = None
    reads: Optional[Tensor] = None
    removed: bool = False

    def merge(self, found: Optional[_Cast], adjacent: bool) -> None:
        """Merge with the Cast found in front, if that is the inverse."""
        while found is not None and found.inverse is not None:
            # That one is gone already: what counts is what stood before its pair.
            found = found.inverse.front
        self.front = found
        if found is not None and (found.target, found.source) == (self.source, self.target):
            self.inverse, self.removed = found, True
            self.reads = found.value if adjacent else None


class _CastGraph:
    """The Casts, and the edges between the operators that they stand on."""

    def __init__(self, state: Compilation) -> None:
        self._leaving = state.leaving
        graphs = list(_graphs(state))
        self._nodes = {name: node for graph in graphs for name, node in graph.nodes.items()}
        self._data = {name: data for graph in graphs for name, data in graph.data.items()}
        self._made_by: Dict[Tensor, Decided] = {}
        self._uses: Dict[Tensor, List[_Use]] = {}
        self.on_edges = {
            (edge.consumer, edge.slot): self._cast(
                edge.port, edge.producer, edge.source, edge.target
            )
            for edge in state.casts
        }
        self.operators: Dict[str, _Cast] = {}
        for one in state.decided:
            row, inputs = one.row, one.operator.inputs
            self._made_by.update((output.key, one) for output in one.operator.outputs)
            for slot, value in enumerate(inputs):
                self._uses.setdefault(value.source, []).append((row.name, slot))
            if row.ge_type == "Cast" and {*row.inputs, *row.outputs} == {HALF, SINGLE}:
                types = row.inputs[0], row.outputs[0]
                made = self._cast(inputs[0].port, inputs[0].source, *types)
                made.output = Tensor(row.name, 0)
                self.operators[row.name] = made

    def _cast(self, port: Optional[Port], producer: Tensor, source: str, target: str) -> _Cast:
        node, value = self._nodes.get(producer.node), producer
        if port is not None and node is not None and is_handle(node, producer.slot):
            value = self._data[port.node][port.slot]
        return _Cast(producer, value, source, target)

    def pair(self, one: Decided) -> None:
        """Merge the Casts at an operator's inputs, and itself, with an inverse one in front."""
        for slot, value in enumerate(one.operator.inputs):
            cast = self.on_edges.get((one.row.name, slot))
            if cast is not None:
                cast.merge(*self._behind(value.source))
        own = self.operators.get(one.row.name)
        if own is not None:
            on_edge = self.on_edges.get((one.row.name, 0))
            own.merge(*((on_edge, True) if on_edge else self._behind(own.producer)))

    def _behind(self, tensor: Tensor) -> Tuple[Optional[_Cast], bool]:
        """Return the Cast that a tensor comes from, and whether nothing is between."""
        adjacent = True
        while tensor in self._made_by:
            one = self._made_by[tensor]
            own = self.operators.get(one.row.name)
            if own is not None:
                return (own if adjacent or len(self._uses[tensor]) == 1 else None), adjacent
            single = len(self._uses.get(tensor, ())) == 1 and tensor.node not in self._leaving
            if one.row.ge_type not in LAYOUTS or not single:
                break
            on_edge = self.on_edges.get((one.row.name, 0))
            if on_edge is not None:
                return on_edge, False
            tensor, adjacent = one.operator.inputs[0].source, False
        return None, False

    def remove_firsts(self) -> None:
        """Remove the first Cast of a pair too, where nothing else needs it."""
        casts = (*self.on_edges.values(), *self.operators.values())
        for first in {cast.inverse for cast in casts if cast.inverse is not None}:
            first.removed = first.removed or self._only_merged(first)

    def _only_merged(self, first: _Cast) -> bool:
        if first.output is None:
            return True  # one edge, one consumer
        uses = self._uses.get(first.output, [])
        if first.output.node in self._leaving:
            return False
        return len(uses) == 1 or all(self._merged_at(use) is first for use in uses)

    def _merged_at(self, use: _Use) -> Optional[_Cast]:
        """Return what the Cast on an edge, or else the one at its end, is merged with."""
        on_edge, own = self.on_edges.get(use), self.operators.get(use[0])
        return (on_edge and on_edge.inverse) or (own and own.inverse)

    def move_across_relus(self, state: Compilation) -> None:
        """Remove Cast h->f, Relu, Casts f->h: one Relu in float16, with the same values."""
        for row, operator in ((one.row, one.operator) for one in state.decided):
            if row.ge_type != "Relu" or row.inputs != (SINGLE,) or not operator.outputs:
                continue
            first = self.on_edges.get((row.name, 0))
            uses = self._uses.get(operator.outputs[0].key, [])
            behind = [cast for cast in map(self.on_edges.get, uses) if cast and cast.target == HALF]
            narrowed = behind and len(behind) == len(uses)
            if first is not None and narrowed and row.name not in self._leaving:
                for cast in (first, *behind):
                    cast.removed = True


def _graphs(state: Compilation) -> Iterator[Graph]:
    """Yield a compilation's graph, and those of all functions."""
    yield state.graph
    for functions in state.functions.values():
        for function in functions:
            yield from _graphs(function.state)
