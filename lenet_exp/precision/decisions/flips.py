"""The smallest changes that give an operator its other float type, and what they cost."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from lenet_exp.errors import LenetExpError
from lenet_exp.precision.analysis.cost import Totals, totals
from lenet_exp.precision.decisions.chain import Link, chain
from lenet_exp.precision.decisions.changes import HALF, Change, Kind, changes
from lenet_exp.precision.decisions.names import operator_named
from lenet_exp.precision.plan import Engine, Operator, Plan
from lenet_exp.precision.planning import pipeline
from lenet_exp.precision.planning.compilation import Compilation, PlanOptions
from lenet_exp.precision.planning.options import read_options
from lenet_exp.precision.reporting.verdict import verdict

_KINDS = (*Kind,)
_WITHOUT_OPTIONS = "prune_again"  # up to here nothing depends on an option
_BEFORE_TYPES = "fuse"  # the last phase that depends on no type


class Cost(NamedTuple):
    """What a plan has: casts, the AI CPU's types.

    `cube`: the share of the cube's FLOP in float16, 0..1, None where none is counted.
    """

    casts: int
    cube: Optional[float]
    ai_cpu: Tuple[str, ...]


class Flip(NamedTuple):
    """A change after which the operator has float16 where it had none, or none where it had it.

    `inputs` and `outputs` are those that it has then, `changed` all operators whose types are
    others then, itself among them.
    """

    change: Change
    inputs: Tuple[str, ...]
    outputs: Tuple[str, ...]
    changed: int
    cost: Cost


class Decision(NamedTuple):
    """Why an operator has its types, what that costs, and what gives it others.

    `flips`: the smallest change of each kind that does, the smallest first: by how many operators
    get other types, and where those are as many by `Kind`. None makes the chip refuse what it
    took before.
    """

    plan: Plan
    row: Operator
    chain: Tuple[Link, ...]
    cost: Cost
    flips: Tuple[Flip, ...]


def is_half(row: Operator) -> bool:
    """Return whether an operator has float16 at any end."""
    return HALF in (*row.inputs, *row.outputs)


def decision(
    graph_def: Any, fetches: Sequence[str], arguments: Mapping[str, Any], name: str
) -> Decision:
    """Return all that is to be known of the operator `name` of a plan.

    Args:
        graph_def: as of `assign`, with the shapes of its inputs.
        fetches: as of `assign`.
        arguments: further keywords of `assign`, the mode among them.
        name: as a person types it, see `operator_named`.

    Raises:
        GraphError: as of `assign`.
        PrecisionError: as of `assign`, or there is no such operator.
    """
    search = _Search(graph_def, fetches, arguments)
    name = operator_named(search.base, graph_def, name).name
    plan = pipeline.assign(graph_def, fetches=fetches, **arguments)
    row = next(row for row in plan.operators if row.name == name)
    links = tuple(chain(search.base, name))
    flips = [] if is_fixed(row) else search.flips(row, plan)
    return Decision(plan, row, links, _cost(plan), tuple(flips))


def is_fixed(row: Operator) -> bool:
    """Return whether no change is looked for: a Cast of the graph is what the graph says."""
    floats = ("float16", "float32")
    types = (*row.origin_inputs, *row.origin_outputs)
    return row.ge_type == "Cast" or not any(dtype in floats for dtype in types)


class _Search:
    """Plans a graph again and again, from the first phase on that a change reaches."""

    def __init__(
        self, graph_def: Any, fetches: Sequence[str], arguments: Mapping[str, Any]
    ) -> None:
        self._graph_def, self._fetches, self._arguments = graph_def, fetches, arguments
        self._options = read_options(graph_def, **arguments)
        begun = pipeline.begin(graph_def, fetches, self._options)
        self._early = pipeline.run(begun, _WITHOUT_OPTIONS)
        self._fused = pipeline.run(self._early, _BEFORE_TYPES, after=_WITHOUT_OPTIONS)
        self.base = pipeline.run(self._fused, after=_BEFORE_TYPES)
        self._rows = {one.row.name: one.row for one in self.base.decided}

    def flips(self, row: Operator, plan: Plan) -> List[Flip]:
        """Return the smallest change of each kind, each proved by a plan from the beginning."""
        types = [link.name for link in chain(self.base, row.name)]
        types = [self._rows[name].ge_type for name in types if name in self._rows]
        found: Dict[Kind, List[Tuple[int, Change]]] = {}
        for change in changes(row, types, self._options, self._arguments):
            changed = self._changed(change, row)
            if changed is not None:
                found.setdefault(change.kind, []).append((changed, change))
        best = [min(each, key=lambda pair: pair[0]) for each in found.values()]
        best.sort(key=lambda pair: (pair[0], _KINDS.index(pair[1].kind)))
        return list(self._proved(row, best, set(verdict(plan).refused)))

    def _changed(self, change: Change, row: Operator) -> Optional[int]:
        """Return how many operators a change gives other types; None: not this one, or it fails."""
        try:
            options = read_options(self._graph_def, **change.arguments)
            if options.keeps == self._options.keeps:
                state = pipeline.run(_under(self._fused, options), after=_BEFORE_TYPES)
            else:
                state = pipeline.run(_under(self._early, options), after=_WITHOUT_OPTIONS)
        except LenetExpError:
            return None  # what the vendor's files or the chip do not take
        made = {one.row.name: one.row for one in state.decided}
        if row.name not in made or is_half(made[row.name]) is is_half(row):
            return None
        pairs = [(self._rows[name], each) for name, each in made.items()]
        if any(new.engine is Engine.REFUSED is not old.engine for old, new in pairs):
            return None
        return sum(_types(old) != _types(new) for old, new in pairs)

    def _proved(
        self, row: Operator, best: Sequence[Tuple[int, Change]], refused: Any
    ) -> Iterator[Flip]:
        for changed, change in best:
            plan = pipeline.assign(self._graph_def, fetches=self._fetches, **change.arguments)
            made = next(each for each in plan.operators if each.name == row.name)
            if is_half(made) is not is_half(row) and refused.issuperset(verdict(plan).refused):
                yield Flip(change, made.inputs, made.outputs, changed, _cost(plan))


def _under(state: Compilation, options: PlanOptions) -> Compilation:
    """Return a compilation, that of its functions too, under other options."""
    functions = {
        call: tuple(each._replace(state=_under(each.state, options)) for each in called)
        for call, called in state.functions.items()
    }
    return state._replace(options=options, functions=functions)


def _types(row: Operator) -> Tuple[Tuple[str, ...], Tuple[str, ...]]:
    return row.inputs, row.outputs


def _cost(plan: Plan) -> Cost:
    sums: Totals = totals(plan)
    return Cost(sums.casts, sums.cube_share, verdict(plan).ai_cpu)
