"""A plan as records: rows to read, groups of them, what differs in another plan, CSV and JSON."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import re
from typing import (
    AbstractSet,
    Any,
    Dict,
    Iterable,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

from lenet_exp.precision.analysis.cost import Cost, Totals, cost_of, totals_of
from lenet_exp.precision.analysis.step_sections import SECTIONS, section_of, sections
from lenet_exp.precision.plan import Engine, Operator, Plan, Rule
from lenet_exp.precision.planning.reasons import refuses
from lenet_exp.precision.reporting.filters import Facts, View, scopes_of, seen
from lenet_exp.precision.reporting.letters import compact

_NAME = re.compile(r"[^\s,;()\"]+")

# What a record shows, in this order: columns of the CSV, keys of the JSON.
_OF_OPERATOR = ("inputs", "outputs", "casts", "colour", "rule", "engine", "unit", "reason", "parts")
FIELDS = ("section", "name", "tf_type", "ge_type", "types", *_OF_OPERATOR, "flops", "moved_bytes")


class Record(NamedTuple):
    """A row of a plan for a reader: its part of the step, what it costs, and the scope it is in."""

    section: str
    operator: Operator
    cost: Cost
    scope: str

    @property
    def name(self) -> str:
        """The operator's name."""
        return self.operator.name

    @property
    def refused(self) -> bool:
        """Whether the chip refuses it."""
        return self.operator.engine is Engine.REFUSED

    @property
    def types(self) -> str:
        """Its inputs and outputs, as in "hhh>h"."""
        return f"{compact(self.operator.inputs)}>{compact(self.operator.outputs)}"

    def shown(self) -> Dict[str, object]:
        """Return the values of FIELDS; `flops` and `moved_bytes` may be None."""
        moved = self.cost.moved
        own = {
            "section": self.section,
            "types": self.types,
            "flops": self.cost.flops,
            "moved_bytes": None if moved is None else sum(moved.values()),
        }
        return {key: own[key] if key in own else getattr(self.operator, key) for key in FIELDS}


class Report(NamedTuple):
    """A plan, read: forward records first, then backward, then update.

    `totals` are of the records, those that `view` lets through; `fetches` the nodes that a run asks
    for; `warnings` begin with what the chip refuses.
    """

    mode: str
    generation: str
    records: Tuple[Record, ...]
    totals: Totals
    warnings: Tuple[str, ...]
    fetches: Tuple[str, ...]
    view: View


class Group(NamedTuple):
    """Operators alike in `section`, GE type, types, list and rule; `casts` of all of them."""

    section: str
    ge_type: str
    types: str
    colour: str
    rule: str
    casts: int
    names: Tuple[str, ...]


class Summary(NamedTuple):
    """A report with groups for its records."""

    mode: str
    generation: str
    groups: Tuple[Group, ...]
    totals: Totals
    warnings: Tuple[str, ...]
    fetches: Tuple[str, ...]
    view: View


class Difference(NamedTuple):
    """One operator in two plans; None where a plan doesn't have it."""

    name: str
    first: Optional[Record]
    second: Optional[Record]


class Comparison(NamedTuple):
    """What differs between two plans of one graph, what the chip refuses first.

    `by_rule` counts operators that have the same types and casts by another rule or list. An
    operator that `view` lets through on one side is there on both.
    """

    first: Report
    second: Report
    differences: Tuple[Difference, ...]
    by_rule: int
    view: View


def report(plan: Plan, only: Sequence[str] = (), without: Sequence[str] = ()) -> Report:
    """Return the records and totals of a plan.

    That TensorFlow refuses the graph, say for ranks that can't be, is a warning: the chip's
    compiler has shape rules of its own, and decides types without them.

    Args:
        plan: of any graph.
        only: words that an operator has to fit, as in "type:Mul", "bert/encoder", "float16";
            see `filters`. Words of one kind are alternatives, those of several kinds all count.
        without: words of the same form; an operator that one of them fits is left out.

    Raises:
        PrecisionError: a word that means nothing in this graph, with the nearest that does.
    """
    known, costs = sections(plan.graph_def), cost_of(plan)
    scopes = scopes_of([row.name for row in plan.operators])
    records = [
        Record(section_of(row.name, known), row, costs.operators[row.name], scopes[row.name])
        for row in plan.operators
    ]
    records.sort(key=lambda record: SECTIONS.index(record.section))  # stable
    said = [f"no cost is counted: {costs.refusal}"] if costs.refusal else []
    warnings = tuple(sorted((*plan.warnings, *said), key=lambda text: not refuses(text)))  # stable
    named = _named(warnings)
    view, chosen = seen([(facts(record, named),) for record in records], only, without)
    mode, generation = plan.mode.value, plan.generation.value
    made = Report(mode, generation, (), totals_of(()), warnings, plan.fetches, view)
    return _narrowed(made, itertools.compress(records, chosen), view)


def _narrowed(read: Report, records: Iterable[Record], view: View) -> Report:
    """Return a report of some records alone, and of the warnings about them or a refusal."""
    kept = tuple(records)
    sums = totals_of([(record.operator, record.cost) for record in kept])
    warnings = read.warnings
    if view.narrows:
        names = {record.name for record in kept}
        types = {record.operator.ge_type for record in kept if _told(record)}
        told = (text for text in warnings if {*_NAME.findall(text)} & names)
        by_type = (text for text in warnings if text.partition(" ")[0] in types)
        about = {*told, *by_type, *filter(refuses, warnings)}
        warnings = tuple(text for text in warnings if text in about)
        view = view._replace(silent=len(read.warnings) - len(warnings))
    return read._replace(records=kept, totals=sums, warnings=warnings, view=view)


def _told(record: Record) -> bool:
    """Return whether every operator of its type and reason is in a warning."""
    row = record.operator
    return row.engine in (Engine.REFUSED, Engine.AI_CPU) or row.rule is Rule.UNKNOWN


def _named(warnings: Iterable[str]) -> AbstractSet[str]:
    return {word for text in warnings for word in _NAME.findall(text)}


def facts(record: Record, warned: AbstractSet[str]) -> Facts:
    """Return what can be asked of a record; `warned` are the words of the warnings."""
    row = record.operator
    return Facts(
        names=tuple(dict.fromkeys((row.name, *row.parts))),
        scope=record.scope,
        types=(row.ge_type, row.tf_type),
        dtypes=frozenset((*row.inputs, *row.outputs)),
        colour=row.colour.value,
        rule=row.rule.value,
        section=record.section,
        cast=bool(row.casts),
        changed=(row.inputs, row.outputs) != (row.origin_inputs, row.origin_outputs),
        warning=_told(record) or row.name in warned,
    )


def summary(read: Report) -> Summary:
    """Return a report with its records in groups, in order of their first member."""
    found: Dict[Tuple[str, str, str, str, str], List[Record]] = {}
    for record in read.records:
        row = record.operator
        alike = (record.section, row.ge_type, record.types, row.colour.value, row.rule.value)
        found.setdefault(alike, []).append(record)
    groups = tuple(
        Group(*alike, sum(len(r.operator.casts) for r in members), tuple(r.name for r in members))
        for alike, members in found.items()
    )
    return Summary(read.mode, read.generation, groups, *read[3:])


def compare(
    first: Report, second: Report, only: Sequence[str] = (), without: Sequence[str] = ()
) -> Comparison:
    """Return the operators whose types, casts, engine or presence differ, in order.

    Args:
        first: a plan, read without words.
        second: another one of the same graph.
        only: words as of `report`; one of both sides has to fit, and what differs is "changed".
        without: words; what one of both sides fits is left out.

    Raises:
        PrecisionError: a word that means nothing in this graph, with the nearest that does.
    """
    pairs = _pairs(first, second)
    named = _named((*first.warnings, *second.warnings))
    asked = [
        [facts(each, named)._replace(changed=_differ(pair)) for each in pair[1:] if each]
        for pair in pairs
    ]
    view, chosen = seen(asked, only, without)
    kept = list(itertools.compress(pairs, chosen))
    differences = sorted(filter(_differ, kept), key=lambda pair: not _refused(pair))  # stable
    same = [pair for pair in kept if not _differ(pair)]
    by_rule = sum(_by_rule(pair.first) != _by_rule(pair.second) for pair in same)
    names = {pair.name for pair in kept}
    one, two = (
        _narrowed(read, (record for record in read.records if record.name in names), view)
        for read in (first, second)
    )
    return Comparison(one, two, tuple(differences), by_rule, view)


def _pairs(first: Report, second: Report) -> List[Difference]:
    """Return every operator of two plans, those that only the second has at the end."""
    other = {record.name: record for record in second.records}
    here = {record.name for record in first.records}
    found = [Difference(record.name, record, other.get(record.name)) for record in first.records]
    lacking = (record for record in second.records if record.name not in here)
    return found + [Difference(record.name, None, record) for record in lacking]


def _differ(pair: Difference) -> bool:
    if pair.first is None or pair.second is None:
        return True
    return _decided(pair.first) != _decided(pair.second)


def _refused(pair: Difference) -> bool:
    return any(side is not None and side.refused for side in pair[1:])


def _by_rule(record: Optional[Record]) -> Optional[Tuple[object, ...]]:
    return record and (record.operator.rule, record.operator.colour)


def _decided(record: Record) -> Tuple[object, ...]:
    row = record.operator
    return row.inputs, row.outputs, row.casts, row.engine


def as_csv(
    records: Sequence[Any],
    prefix: Optional[Mapping[str, str]] = None,
    fields: Sequence[str] = (),
) -> str:
    """Return records, groups, differences or rows as CSV with a head; lists joined by spaces.

    `prefix` are columns in front that are the same in every row; `fields` the others, where there
    may be no row that has them.
    """
    made = io.StringIO()
    same = dict(prefix or {})
    rows = [{**same, **_flat(record)} for record in records]
    head = list(rows[0]) if rows else [*same, *fields]
    writer = csv.DictWriter(made, head, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return made.getvalue()


def as_csv_of_run(graphs: Mapping[str, Report]) -> str:
    """Return the records of several graphs as one CSV; the first column is the graph's name."""
    parts = [
        as_csv(
            read.records,
            {"graph": name, "mode": read.mode, "generation": read.generation},
            FIELDS,
        )
        for name, read in graphs.items()
    ]
    bodies = [part.partition("\n")[2] for part in parts[1:]]
    return "".join([*parts[:1], *bodies])


def _flat(record: Any) -> Dict[str, object]:
    if isinstance(record, Difference):
        sides = {**_side("first", record.first), **_side("second", record.second)}
        return {"name": record.name, **sides}
    if isinstance(record, Mapping):  # a phase's row
        return {key: _cell(value) for key, value in record.items()}
    shown = record.shown() if isinstance(record, Record) else record._asdict()
    return {key: _cell(value) for key, value in shown.items()}


def fields_of_differences() -> Tuple[str, ...]:
    """Return what a difference shows: the name, and every other field of both sides."""
    sides = (key for which in ("first", "second") for key in _side(which, None))
    return ("name", *sides)


def _side(which: str, record: Optional[Record]) -> Dict[str, object]:
    shown = dict.fromkeys(FIELDS, "") if record is None else record.shown()
    return {f"{which}_{key}": _cell(value) for key, value in shown.items() if key != "name"}


def _cell(value: object) -> object:
    return " ".join(map(str, value)) if isinstance(value, tuple) else value


def as_json(read: Any) -> str:
    """Return a Report, a Comparison, groups or plain values as JSON, with every field.

    JSON has no infinity and no NaN: null is both.
    """
    return json.dumps(_plain(read), indent=1, allow_nan=False)


def _plain(value: Any) -> Any:
    if hasattr(value, "_asdict"):
        fields = value.shown() if isinstance(value, Record) else value._asdict()
        return _plain(fields)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value
