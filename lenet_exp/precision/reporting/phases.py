"""What the compiler has of a graph after one of its phases: rows, and their text."""

from __future__ import annotations

import itertools
import textwrap
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Sequence, Tuple

from lenet_exp.precision.analysis.dtypes import output_types
from lenet_exp.precision.ir.names import as_input
from lenet_exp.precision.planning.compilation import Compilation
from lenet_exp.precision.reporting import tables
from lenet_exp.precision.reporting.filters import Facts, View, scopes_of, seen
from lenet_exp.precision.reporting.letters import LETTERS, compact

Row = Mapping[str, Any]
_LONGEST_TYPE = 24
_OF_NODES = ("prune", "fold_constants", "prune_again")


class AfterPhase(NamedTuple):
    """The graph after a phase.

    Every row has `name`, `type` (TensorFlow's, from `lower` on the chip's), `types` as in
    "hf>h", and `inputs` as a NodeDef has them. From `lower` on it has `parts`, the nodes it is
    made of; from `select` on `colour rule engine casts merged reason`, `types` being those it
    got. `merged` are those of its casts that go again, "itself" a Cast of the graph that goes.
    """

    phase: str
    mode: str
    generation: str
    rows: Tuple[Row, ...]
    fetches: Tuple[str, ...]
    view: View


def after_phase(
    name: str, state: Compilation, only: Sequence[str] = (), without: Sequence[str] = ()
) -> AfterPhase:
    """Return what is known of every node or operator; those of functions stand at their call.

    `only` and `without` are words, as of `records.report`.

    Raises:
        PrecisionError: a word that means nothing in this graph or after this phase.
    """
    found, options = list(_rows(state)), state.options
    scopes = scopes_of([row["name"] for row in found])
    view, chosen = seen([(_facts(row, scopes[row["name"]]),) for row in found], only, without)
    kept = tuple(itertools.compress(found, chosen))
    mode, generation = options.mode.value, options.generation.value
    return AfterPhase(name, mode, generation, kept, state.fetched, view)


def fields(state: Compilation) -> Tuple[str, ...]:
    """Return the keys of every row, if there is any."""
    return tuple(next(_rows(state), {}))


def _rows(state: Compilation) -> Iterator[Row]:
    rows = _selected if state.decided else _lowered if state.operators else _nodes
    return rows(state)


def _facts(row: Row, scope: str) -> Facts:
    decided = "rule" in row
    return Facts(
        names=tuple(dict.fromkeys((row["name"], *row.get("parts", ())))),
        scope=scope,
        types=(row["type"],),
        dtypes=frozenset(LETTERS[letter] for letter in row["types"] if letter in LETTERS),
        colour=row["colour"] if decided else None,
        rule=row["rule"] if decided else None,
        cast=bool(row["casts"]) if decided else None,
    )


def _row(
    name: str, kind: str, dtypes: Tuple[Sequence[str], Sequence[str]], inputs: Sequence[str]
) -> Dict[str, Any]:
    types = ">".join(map(compact, dtypes))
    return {"name": name, "type": kind, "types": types, "inputs": tuple(inputs)}


def _nodes(state: Compilation) -> Iterator[Row]:
    graph = state.graph
    types = output_types(graph, state.options.library)
    for name, node in graph.nodes.items():
        data = graph.data[name]
        taken = [types[tensor.node][tensor.slot] for tensor in data]
        inputs = (*map(as_input, data), *(f"^{other}" for other in graph.control[name]))
        yield _row(name, node.op, (taken, types[name]), inputs)


def _lowered(state: Compilation) -> Iterator[Row]:
    for name, operator in state.operators.items():
        for function in state.functions.get(name, ()):
            yield from _lowered(function.state)
        count, inputs = len(operator.inputs), [as_input(each.source) for each in operator.inputs]
        types = operator.origin[:count], operator.origin[count:]
        yield {**_row(name, operator.ge_type, types, inputs), "parts": operator.parts}


def _selected(state: Compilation) -> Iterator[Row]:
    gone: Dict[str, List[object]] = {cast.name: ["itself"] for cast in state.removed_casts}
    for edge in state.casts:
        if edge.removed:
            gone.setdefault(edge.consumer, []).append(edge.slot)
    for operator, row, *_ in state.decided:
        inputs = [as_input(value.source) for value in operator.inputs]
        yield {
            **_row(row.name, row.ge_type, (row.inputs, row.outputs), inputs),
            "parts": row.parts,
            "colour": row.colour.value,
            "rule": row.rule.value,
            "engine": row.engine.value,
            "casts": row.casts,
            "merged": tuple(gone.get(row.name, ())),
            "reason": row.reason,
        }


def phase_table(found: AfterPhase, width: int) -> str:
    """Return every row as name <- inputs, on as many lines as that takes."""
    size = tables.types_width([row["types"] for row in found.rows])
    longest = max([len(row["type"]) for row in found.rows] or [4])
    kind = min(longest, _LONGEST_TYPE, max(10, width - 57 - size))
    known = set(found.rows[0]) if found.rows else set()
    selected, what = "rule" in known, "nodes" if found.phase in _OF_NODES else "operators"
    extra = f"{'list':5}  {'rule':10}  {'casts':8}  " if selected else ""
    title = tables.title(found.mode, found.generation)
    head = f"{title}, after {found.phase}: {tables.counted(len(found.rows), found.view, what)}"
    lines = [*textwrap.wrap(head, width), *tables.fetches_text(found.fetches, width), ""]
    if found.view.note:
        return "\n".join([*lines, *textwrap.wrap(found.view.note, width)])
    lines += tables.row_lines(
        f"{'types':{size}}  {'type':{kind}}  {extra}", "name <- inputs", width=width
    )
    for row in found.rows:
        facts = f"{tables.cut(row['types'], size):{size}}  {tables.cut(row['type'], kind):{kind}}  "
        if selected:
            facts += f"{row['colour']:5}  {row['rule']:10}  {tables.cut(_casts(row), 8):8}  "
        name = tables.fused_name(row["name"], row.get("parts", ()))
        text = f"{name} <- {', '.join(row['inputs'])}" if row["inputs"] else name
        lines += tables.row_lines(facts, text, width=width)
    return "\n".join(lines)


def _casts(row: Row) -> str:
    """Return the indexes that get a Cast; what is merged away again behind a minus."""
    merged = [slot for slot in row["merged"] if slot != "itself"]
    left = [slot for slot in row["casts"] if slot not in merged]
    text = "*" + tables.indexes(left) if left else ""
    text += "-" + tables.indexes(merged) if merged else ""
    return text + ("-itself" if "itself" in row["merged"] else "")
