"""Which operators have to stay float32 for a mode's gradients to be right."""

from __future__ import annotations

from typing import (
    Any,
    Callable,
    Dict,
    FrozenSet,
    Iterable,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

import numpy as np

from lenet_exp.errors import PrecisionError
from lenet_exp.precision.diagnosis.copies import copies_of
from lenet_exp.precision.diagnosis.errors import (
    Diagnosis,
    Values,
    loaded,
    without_choices,
)
from lenet_exp.precision.diagnosis.gradients import border_of, measured_gradients
from lenet_exp.precision.diagnosis.measures import Error, error_of
from lenet_exp.precision.diagnosis.minimal import Minimal, minimal
from lenet_exp.precision.diagnosis.refusals import EMULATED, EXACT
from lenet_exp.precision.emulation.inline import inlined
from lenet_exp.precision.plan import Engine, Operator, Plan
from lenet_exp.precision.planning.dtype_overrides import as_line
from lenet_exp.precision.target.modes import Colour
from lenet_exp.precision.target.op_lists import Change, MixlistInput, as_lists, read_changes

# The names of operators that stay float32 -> the plan under that
Planner = Callable[[Tuple[str, ...]], Plan]
Groups = Mapping[str, Sequence[str]]  # a name, type or scope -> names of operators


class KeepList(NamedTuple):
    """Operators that stay float32, by name, and what comes of it.

    `plan` under it; `gradient`: the error of all gradients together; `updates`: the smallest
    agreement of an update alone, 1 without one. `holds`: the target does; where it doesn't with all
    operators that can stay float32, `names` are all of them. `is_minimal`: taking any name away
    breaks the target, or any of the `groups` that were looked for; else the budget of `tests`
    ended first.
    """

    names: Tuple[str, ...]
    plan: Plan
    gradient: Error
    updates: float
    holds: bool
    is_minimal: bool
    tests: int
    groups: Tuple[str, ...] = ()


class _Trials:
    """Makes the step under other keep lists, once each."""

    def __init__(
        self,
        planner: Planner,
        step: Tuple[Values, Values, bool],
        groups: Groups,
        always: Tuple[str, ...],
        say: Callable[[int], None],
    ) -> None:
        """Make the step of values, feeds and flush; what stays float32 `always` is in each list."""
        self._groups = groups
        self._planner, self._step, self._always, self._say = planner, step, always, say
        self._conditions: Dict[str, bool] = {}
        self._errors: Dict[FrozenSet[str], Error] = {}

    @property
    def made(self) -> int:
        """How many there were."""
        return len(self._errors)

    def gradient(self, chosen: Sequence[str]) -> Error:
        """Return the error of all gradients where some groups stay float32."""
        key = frozenset(chosen)
        if key not in self._errors:
            names = (*self._always, *names_of(self._groups, chosen))
            self._errors[key] = self._measured(names)
            self._say(self.made)
        return self._errors[key]

    def _measured(self, names: Tuple[str, ...]) -> Error:
        values, feeds, flush = self._step
        whole = inlined(self._planner(names))
        plan = without_choices(whole, values, feeds, known=self._conditions)
        copies = copies_of(plan, [EXACT, EMULATED], flush)
        ends = measured_gradients(copies.nodes, border_of(plan).gradients)
        fed = {f"{EXACT}/{name}": value for name, value in feeds.items()}
        with loaded(copies, values, 0) as run:
            found: List[np.ndarray] = run([f"{end}:0" for end in ends], fed)
        return error_of(found)


def keep_list(
    planner: Planner,
    found: Diagnosis,
    values: Values,
    feeds: Values,
    target: float,
    budget: int,
    say: Callable[[int], None] = lambda tests: None,
    by: str = "name",
) -> KeepList:
    """Return the fewest operators that have to stay float32, updates that err by themselves too.

    Args:
        planner: plans under a keep list.
        found: of the plan without one, by the same step.
        values: as of `diagnose`.
        feeds: as of `diagnose`.
        target: the smallest agreement of all gradients together, and of an update.
        budget: how many times the step may be made.
        say: is told how many times it was.
        by: a key of GROUPINGS.
    """
    groups = grouped(planner, found, by)
    alone = agreements_of_updates(found)
    always = [g for g, names in groups.items() if any(alone.get(n, 1.0) < target for n in names)]
    updates = tuple(names_of(groups, always))
    update = min((each for n, each in alone.items() if n not in updates), default=1.0)
    if found.gradient.agreement >= target:
        plan, near = planner(updates) if updates else found.plan, update >= target
        return KeepList(updates, plan, found.gradient, update, near, True, 0, tuple(always))
    trials = _Trials(planner, (values, feeds, found.flush), groups, updates, say)
    ranked = tuple(group for group in groups if group not in always)
    made, near = Minimal(ranked, False, 0), False
    if ranked and trials.gradient(ranked).agreement >= target:
        # The whole list was one of them.
        made = minimal(ranked, lambda some: trials.gradient(some).agreement >= target, budget - 1)
        near = update >= target
    kept, error = (*always, *made.elements), trials.gradient(made.elements)
    names = tuple(names_of(groups, kept))
    return KeepList(names, planner(names), error, update, near, made.is_minimal, trials.made, kept)


# What the elements of a keep list are, by the word for it.
GROUPINGS: Dict[str, Callable[[Operator], str]] = {
    "name": lambda row: row.name,
    "type": lambda row: row.ge_type,
    "scope": lambda row: row.name.rpartition("/")[0] or row.name,
}


def agreements_of_updates(found: Diagnosis) -> Dict[str, float]:
    """Return of each update, by name, how right it is alone, of exact gradients."""
    return {e.operator.name: e.own.agreement for e in found.updates if e.own is not None}


def grouped(planner: Planner, found: Diagnosis, by: str) -> Groups:
    """Return the operators that can stay float32, by group, the most damaging first."""
    rows = {e.operator.name: e.operator for e in found.by_damage if _is_short(e.operator)}
    groups: Dict[str, List[str]] = {}
    for name in can_stay(planner, rows.values()):
        groups.setdefault(GROUPINGS[by](rows[name]), []).append(name)
    return groups


def names_of(groups: Groups, chosen: Iterable[str]) -> List[str]:
    """Return the operators of some groups."""
    return [name for group in chosen for name in groups[group]]


def _is_short(row: Operator) -> bool:
    return "float16" in (*row.inputs, *row.outputs) and "float32" in row.origin_inputs


def can_stay(planner: Planner, rows: Iterable[Operator]) -> List[str]:
    """Return the names of the operators that get the graph's types on the AI core, if kept."""
    names = [row.name for row in rows]
    if not names:
        return []
    made = {row.name: row for row in planner(tuple(names)).operators}
    return [name for name in names if name in made and _stays(made[name])]


def _stays(row: Operator) -> bool:
    same = (row.inputs, row.outputs) == (row.origin_inputs, row.origin_outputs)
    return same and row.engine not in (Engine.REFUSED, Engine.AI_CPU)


def customize_dtypes(plan: Plan, names: Sequence[str]) -> str:
    """Return the vendor's file that fixes the types of some operators of a plan.

    Where all operators of a type are among them, one line of the type does.
    """
    types: Dict[str, List[Operator]] = {}
    for row in plan.operators:
        types.setdefault(row.ge_type, []).append(row)
    kept = [row for row in plan.operators if _is_named(row, names)]
    lines: Dict[str, None] = {}
    for row in kept:
        alike = types[row.ge_type]
        same = {(each.origin_inputs, each.origin_outputs) for each in alike}
        whole = len(same) == 1 and all(each in kept for each in alike)
        begin = f"OpType::{row.ge_type}:" if whole else f"{row.name}::"
        lines[as_line(begin, row.origin_inputs, row.origin_outputs)] = None
    return "".join(f"{line}\n" for line in lines)


def _is_named(row: Operator, names: Sequence[str]) -> bool:
    """Return whether an operator stays as it is by a name: its own, or that of its scope."""
    named = any(row.name == name or row.name.startswith(f"{name}/") for name in names)
    return named and (row.inputs, row.outputs) == (row.origin_inputs, row.origin_outputs)


def mixlist(
    plan: Plan, names: Sequence[str], before: Optional[MixlistInput] = None
) -> Optional[Dict[str, Any]]:
    """Return the vendor's lists that keep these types float32; None where they are no whole types.

    The lists are of types, so all operators of each have to be among `names`. `before`: a
    person's own, of which what is said of other types stays.
    """
    chosen = {row.ge_type for row in plan.operators if _is_named(row, names)}
    others = {row.ge_type for row in plan.operators if not _is_named(row, names)}
    if not chosen.isdisjoint(others):
        return None
    black = {ge_type: Change((Colour.BLACK,), ()) for ge_type in sorted(chosen)}
    return as_lists({**({} if before is None else read_changes(before)), **black})


def checked_file(planner: Callable[[Any], Plan], content: Any, wanted: Plan) -> bool:
    """Return whether a plan by a file has the types of the plan by names."""
    try:
        made = planner(content)
    except PrecisionError:
        return False
    return [row[:5] for row in made.operators] == [row[:5] for row in wanted.operators]
