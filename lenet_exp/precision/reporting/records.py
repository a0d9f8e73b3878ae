"""A plan as records: rows to read, groups of them, what differs in another plan, CSV and JSON."""

from __future__ import annotations

import csv
import io
import itertools
import json
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from lenet_exp.precision.analysis.cost import Cost, Totals, cost_of, totals
from lenet_exp.precision.analysis.step_sections import SECTIONS, section_of, sections
from lenet_exp.precision.plan import Operator, Plan
from lenet_exp.precision.target.operator_library import LETTERS as LIBRARY_LETTERS

_OTHERS = {"d": "float64", "g": "bfloat16", "s": "string", "y": "resource", "v": "variant"}
LETTERS = {**LIBRARY_LETTERS, **_OTHERS}
_OF_DTYPE = {dtype: letter for letter, dtype in LETTERS.items()}
ANY_OTHER = "?"
_MANY = 5  # equal letters in a row are counted from here on: 10f


# What a record shows, in this order: columns of the CSV, keys of the JSON.
_OF_OPERATOR = ("inputs", "outputs", "casts", "colour", "rule", "engine", "unit", "reason", "parts")
FIELDS = ("section", "name", "tf_type", "ge_type", "types", *_OF_OPERATOR, "flops", "moved_bytes")


class Record(NamedTuple):
    """A row of a plan for a reader: its part of the step, and what it costs."""

    section: str
    operator: Operator
    cost: Cost

    @property
    def name(self) -> str:
        """The operator's name."""
        return self.operator.name

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
    """A plan, read: forward records first, then backward, then update."""

    mode: str
    generation: str
    records: Tuple[Record, ...]
    totals: Totals
    warnings: Tuple[str, ...]


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


class Difference(NamedTuple):
    """One operator in two plans; None where a plan doesn't have it."""

    name: str
    first: Optional[Record]
    second: Optional[Record]


class Comparison(NamedTuple):
    """What differs between two plans of one graph.

    `by_rule` counts operators that have the same types and casts by another rule or list.
    """

    first: Report
    second: Report
    differences: Tuple[Difference, ...]
    by_rule: int


def report(plan: Plan) -> Report:
    """Return the records and totals of a plan.

    That TensorFlow refuses the graph, say for ranks that can't be, is a warning: the chip's
    compiler has shape rules of its own, and decides types without them.
    """
    known, costs = sections(plan.graph_def), cost_of(plan)
    records = [
        Record(section_of(row.name, known), row, costs.operators[row.name])
        for row in plan.operators
    ]
    records.sort(key=lambda record: SECTIONS.index(record.section))  # stable
    mode, generation, sums = plan.mode.value, plan.generation.value, totals(plan, costs)
    said = [f"no cost is counted: {costs.refusal}"] if costs.refusal else []
    return Report(mode, generation, tuple(records), sums, (*plan.warnings, *said))


def compact(dtypes: Sequence[str]) -> str:
    """Return a letter for each dtype; five and more equal ones are counted: "10f"."""
    letters = [_OF_DTYPE.get(dtype, ANY_OTHER) for dtype in dtypes]
    runs = ("".join(equal) for _, equal in itertools.groupby(letters))
    return "".join(f"{len(run)}{run[0]}" if len(run) >= _MANY else run for run in runs)


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
    return Summary(read.mode, read.generation, groups, read.totals, read.warnings)


def compare(first: Report, second: Report) -> Comparison:
    """Return the operators whose types, casts, engine or presence differ, in order."""
    other = {record.name: record for record in second.records}
    here = {record.name for record in first.records}
    differences, by_rule = [], 0
    for record in first.records:
        match = other.get(record.name)
        if match is None or _decided(match) != _decided(record):
            differences.append(Difference(record.name, record, match))
        else:
            one, two = record.operator, match.operator
            by_rule += (one.rule, one.colour) != (two.rule, two.colour)
    lacking = (record for record in second.records if record.name not in here)
    differences += [Difference(record.name, None, record) for record in lacking]
    return Comparison(first, second, tuple(differences), by_rule)


def _decided(record: Record) -> Tuple[object, ...]:
    row = record.operator
    return row.inputs, row.outputs, row.casts, row.engine


def as_csv(records: Sequence[Any], prefix: Optional[Mapping[str, str]] = None) -> str:
    """Return records, groups, differences or rows as CSV with a head; lists joined by spaces.

    `prefix` are columns in front that are the same in every row.
    """
    made = io.StringIO()
    same = dict(prefix or {})
    rows = [{**same, **_flat(record)} for record in records]
    head = list(rows[0]) if rows else list(same)
    writer = csv.DictWriter(made, head, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return made.getvalue()


def as_csv_of_run(graphs: Mapping[str, Report]) -> str:
    """Return the records of several graphs as one CSV; the first column is the graph's name."""
    parts = [
        as_csv(read.records, {"graph": name, "mode": read.mode, "generation": read.generation})
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


def _side(which: str, record: Optional[Record]) -> Dict[str, object]:
    shown = dict.fromkeys(FIELDS, "") if record is None else record.shown()
    return {f"{which}_{key}": _cell(value) for key, value in shown.items() if key != "name"}


def _cell(value: object) -> object:
    return " ".join(map(str, value)) if isinstance(value, tuple) else value


def as_json(read: Any) -> str:
    """Return a Report, a Comparison or groups as JSON, with every field."""
    return json.dumps(_plain(read), indent=1)


def _plain(value: Any) -> Any:
    if hasattr(value, "_asdict"):
        fields = value.shown() if isinstance(value, Record) else value._asdict()
        return _plain(fields)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value
