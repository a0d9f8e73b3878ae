"""Which Casts a later pass takes away again, in pairs with their inverse.

Source: precision-modes.md 6.8. A pair float32 -> float16 -> float32 is taken away although it
rounds; so what is merged here must not be rounded by an emulator.
"""

from __future__ import annotations

from typing import Dict, FrozenSet, List, NamedTuple, Optional, Sequence, Set, Tuple

from lenet_exp.precision.plan import CastEdge, Generation, Operator, RemovedCast, Tensor
from lenet_exp.precision.planning.lower import GraphOperator
from lenet_exp.precision.planning.selection_rules import HALF, SINGLE

_LAYOUT = frozenset(("Reshape", "Squeeze", "ExpandDims"))
_FLOATS = {HALF, SINGLE}


class DecidedOperator(NamedTuple):
    """An operator of the graph with its row."""

    operator: GraphOperator
    row: Operator


class _Cast(NamedTuple):
    """A Cast: put on input `slot` of `name`, or (slot -1) the operator `name` itself."""

    name: str
    slot: int


_OPERATOR = -1


class MergedCasts(NamedTuple):
    """The casts put in, those removed marked, and the Casts of the graph that go."""

    casts: Tuple[CastEdge, ...]
    removed: Tuple[RemovedCast, ...]


def merge_casts(
    decided: Sequence[DecidedOperator],
    casts: Sequence[CastEdge],
    fetched: FrozenSet[str],
    generation: Generation,
) -> MergedCasts:
    """Return the casts after inverse pairs have been merged.

    Args:
        decided: in the order of decision.
        casts: those put in after selection.
        fetched: names of nodes whose output leaves the graph: their Casts stay.
        generation: only today a Cast moves across a Relu.
    """
    merger = _Merger(decided, casts, fetched)
    merger.merge_pairs()
    if generation is Generation.TODAY:
        merger.merge_across_relus()
    return merger.result()


class _Merger:
    def __init__(
        self,
        decided: Sequence[DecidedOperator],
        casts: Sequence[CastEdge],
        fetched: FrozenSet[str],
    ) -> None:
        self.decided = decided
        self.casts = casts
        self._fetched = fetched
        self._edges = {_Cast(edge.consumer, edge.slot): edge for edge in casts}
        self._made_by: Dict[Tensor, DecidedOperator] = {}
        self._uses: Dict[Tensor, List[_Cast]] = {}
        for one in decided:
            for output in one.operator.outputs:
                self._made_by[output.key] = one
            for slot, value in enumerate(one.operator.inputs):
                self._uses.setdefault(value.source, []).append(_Cast(one.row.name, slot))
        self._first_of: Dict[_Cast, _Cast] = {}
        self._before: Dict[_Cast, Optional[_Cast]] = {}
        self._reads: Dict[_Cast, Tensor] = {}
        self._removed: Set[_Cast] = set()

    def merge_pairs(self) -> None:
        """Pair every Cast with an inverse one in front of it, producers first."""
        for one in self.decided:
            for slot, value in enumerate(one.operator.inputs):
                edge = self._edges.get(_Cast(one.row.name, slot))
                if edge is not None:
                    found = self._cast_behind(value.source)
                    self._pair(_Cast(one.row.name, slot), found, (edge.source, edge.target))
            if _float_cast(one.row):
                found = self._cast_at(one.row.name, 0, one.operator.inputs[0].source)
                types = (one.row.inputs[0], one.row.outputs[0])
                self._pair(_Cast(one.row.name, _OPERATOR), found, types)
        for cast in set(self._first_of.values()):
            if self._all_uses_merged(cast):
                self._removed.add(cast)

    def _pair(
        self, cast: _Cast, found: Optional[Tuple[_Cast, bool]], types: Tuple[str, str]
    ) -> None:
        first, adjacent = found if found is not None else (None, False)
        while first is not None and first in self._first_of:
            # That one is gone already: what counts is what stood before its pair.
            first = self._before[self._first_of[first]]
        self._before[cast] = first
        if first is None or self._types(first) != types[::-1]:
            return
        self._first_of[cast] = first
        self._removed.add(cast)
        if adjacent:
            self._reads[cast] = self._source(first)

    def _types(self, cast: _Cast) -> Tuple[str, str]:
        if cast.slot != _OPERATOR:
            edge = self._edges[cast]
            return edge.source, edge.target
        row = self._named(cast.name).row
        return row.inputs[0], row.outputs[0]

    def _named(self, name: str) -> DecidedOperator:
        return self._made_by[Tensor(name, 0)]

    def _source(self, cast: _Cast) -> Tensor:
        if cast.slot != _OPERATOR:
            return self._edges[cast].producer
        return self._named(cast.name).operator.inputs[0].source

    def _cast_at(self, name: str, slot: int, source: Tensor) -> Optional[Tuple[_Cast, bool]]:
        """Return the last Cast in front of an operator's input, the one on its edge included."""
        cast = _Cast(name, slot)
        return (cast, True) if cast in self._edges else self._cast_behind(source)

    def _cast_behind(self, tensor: Tensor) -> Optional[Tuple[_Cast, bool]]:
        """Return the Cast a tensor comes from, and whether nothing is between."""
        adjacent = True
        while True:
            one = self._made_by.get(tensor)
            if one is None:
                return None
            if _float_cast(one.row):
                if adjacent or len(self._uses[tensor]) == 1:
                    return _Cast(one.row.name, _OPERATOR), adjacent
                return None
            if one.row.ge_type not in _LAYOUT or not self._single(tensor):
                return None
            if _Cast(one.row.name, 0) in self._edges:
                return _Cast(one.row.name, 0), False
            tensor = one.operator.inputs[0].source
            adjacent = False

    def _single(self, tensor: Tensor) -> bool:
        return len(self._uses.get(tensor, ())) == 1 and tensor.node not in self._fetched

    def _all_uses_merged(self, cast: _Cast) -> bool:
        if cast.slot != _OPERATOR:
            return True  # one edge, one consumer
        output = Tensor(cast.name, 0)
        uses = self._uses.get(output, [])
        if output.node in self._fetched:
            return False
        firsts = [
            self._first_of.get(use) or self._first_of.get(_Cast(use.name, _OPERATOR))
            for use in uses
        ]
        behind_layout = len(uses) == 1 and cast in self._first_of.values()
        return behind_layout or all(first == cast for first in firsts)

    def merge_across_relus(self) -> None:
        """Mark Cast h->f, Relu, Casts f->h: one Relu in float16, with the same values."""
        for one in self.decided:
            row, output = one.row, one.operator.outputs[0].key if one.operator.outputs else None
            if row.ge_type != "Relu" or row.inputs != (SINGLE,) or output is None:
                continue
            first = _Cast(row.name, 0)
            edges = [self._edges.get(use) for use in self._uses.get(output, ())]
            narrowed = edges and all(e is not None and e.target == HALF for e in edges)
            if first in self._edges and narrowed and row.name not in self._fetched:
                self._removed.add(first)
                self._removed.update(self._uses[output])

    def result(self) -> MergedCasts:
        """Return what is left."""
        marked = tuple(
            edge._replace(removed=cast in self._removed, reads=self._reads.get(cast))
            for cast, edge in zip((_Cast(e.consumer, e.slot) for e in self.casts), self.casts)
        )
        gone = [
            RemovedCast(one.row.name, self._reads.get(_Cast(one.row.name, _OPERATOR)))
            for one in self.decided
            if _Cast(one.row.name, _OPERATOR) in self._removed
        ]
        return MergedCasts(marked, tuple(gone))


def _float_cast(row: Operator) -> bool:
    return row.ge_type == "Cast" and {*row.inputs, *row.outputs} == _FLOATS
