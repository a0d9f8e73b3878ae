"""One operator of a plan -> why it has its types, what changes them, and the command for it."""

from __future__ import annotations

import json
import shlex
import textwrap
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from lenet_exp.commands.advice.command import (
    graph_words,
    line,
    not_taken,
    precision_words,
    under,
)
from lenet_exp.config.cli.graph_options import ExplainOptions
from lenet_exp.config.schema.run import PRECISION_FILES, precision_files
from lenet_exp.errors import ConfigError
from lenet_exp.precision.decisions.changes import Kind
from lenet_exp.precision.decisions.flips import Decision, Flip, decision, is_fixed, is_half
from lenet_exp.precision.plan import Operator
from lenet_exp.precision.reporting.letters import compact
from lenet_exp.precision.reporting.records import as_json
from lenet_exp.precision.reporting.tables import wrapped

_WORDS = {
    Kind.LINE: "a line of customize_dtypes",
    Kind.NAME: "a name of keep_dtype",
    Kind.NAME_REMOVED: "keep_dtype without this name",
    Kind.TYPE_LINE: "a line of customize_dtypes for the type",
    Kind.SCOPE: "a name scope of keep_dtype",
    Kind.LIST: "an entry of modify_mixlist",
    Kind.MODE: "another mode",
}
_FILES = {
    Kind.LINE: ("customize_dtypes", "customize_dtypes.txt"),
    Kind.TYPE_LINE: ("customize_dtypes", "customize_dtypes.txt"),
    Kind.LIST: ("modify_mixlist", "modify_mixlist.json"),
}


def explained(
    options: ExplainOptions,
    graph: Tuple[Any, Sequence[str]],
    arguments: Mapping[str, Any],
    width: int,
) -> Tuple[str, Sequence[str]]:
    """Return the text about `options.operator`, and the plan's warnings where they aren't in it.

    Args:
        options: what was asked.
        graph: a GraphDef and what is fetched of it.
        arguments: the keywords of `assign`.
        width: of the terminal, in columns.

    Raises:
        LenetExpError: there is no such operator, or no plan.
    """
    graph_def, fetches = graph
    found = decision(graph_def, fetches, arguments, str(options.operator))
    if options.format == "json":
        return _json(options, found), ()
    return "\n".join(_text(options, found, width)), ()


def _types(row: Operator) -> str:
    return f"{compact(row.inputs)}>{compact(row.outputs)}"


def _text(options: ExplainOptions, found: Decision, width: int) -> Iterator[str]:
    row = found.row
    kind = "float16" if is_half(row) else "float32"
    mode = f"{found.plan.mode}, CANN of {found.plan.generation}"
    what = f"is {_types(row)}" if is_fixed(row) else f"is {kind}, {_types(row)}"
    yield from wrapped("", f"{row.name} ({row.ge_type}) {what} in {mode}", "", width)
    yield from ("", "why, from here back to what began it")
    phases = max(len(link.phase) for link in found.chain)
    for link in found.chain:
        text = f"{link.name} {link.types}: {link.why}"
        indent = " " * (phases + 4)
        head = f"  {link.phase:{phases}}  "
        yield from _hung(head, text, indent, width)
    yield ""
    yield from _flips(options, found, width)


def _flips(options: ExplainOptions, found: Decision, width: int) -> Iterator[str]:
    row, other = found.row, "float32" if is_half(found.row) else "float16"
    if not found.flips:
        yield from textwrap.wrap(_nothing(row, other), width)
        return
    yield f"what makes it {other}, the smallest change first"
    for number, flip in enumerate(found.flips, 1):
        types = f"{compact(flip.inputs)}>{compact(flip.outputs)}"
        text = f"{_WORDS[flip.change.kind]}, {types}: {_price(found, flip)}"
        yield from _hung(f"  {number}  ", text, " " * 5, width)
        yield f"     {flip.change.entry}"
        found_line, said = _command_or_why(options, flip)
        yield from _hung("     ", said, " " * 5, width) if found_line is None else [f"     {said}"]


def _nothing(row: Operator, other: str) -> str:
    if row.ge_type == "Cast":
        return "nothing changes it: a Cast of the graph has the types that the graph says"
    if is_fixed(row):
        return "nothing changes it: it has neither float16 nor float32"
    return f"nothing makes it {other}: it has no kernel for that, or the chip would refuse it"


def _price(found: Decision, flip: Flip) -> str:
    before, after, others = found.cost, flip.cost, flip.changed - 1
    also = f"{others} other operator{'' if others == 1 else 's'} with it"
    said = [
        also if others else "no other operator",
        f"casts {before.casts} -> {after.casts}",
    ]
    if before.cube is not None and after.cube is not None:
        moves = f"{before.cube:.1%} -> {after.cube:.1%}"
        stays = f"stays {after.cube:.1%}"
        said.append(f"cube FLOP in float16 {stays if before.cube == after.cube else moves}")
    more = [name for name in after.ai_cpu if name not in before.ai_cpu]
    said += [f"on the AI CPU then: {', '.join(more)}"] if more else []
    return ", ".join(said)


def _hung(head: str, text: str, indent: str, width: int) -> List[str]:
    return textwrap.wrap(
        text,
        max(width, len(indent) + 20),
        initial_indent=head,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def command(options: ExplainOptions, flip: Flip) -> str:
    """Return the shell line that applies a change: of LeNet it trains, of a graph it explains.

    Raises:
        ConfigError: no run or explain takes it with these settings.
    """
    change, written = flip.change, ""
    named = precision_files(options.settings).items()
    before = {key: str(path) for key, path in named if key in change.arguments}
    files = {key: path for key, path in before.items() if key in PRECISION_FILES}
    key, name = _FILES.get(change.kind, ("", ""))
    if key in change.arguments:
        files[key] = f"{before[key]}.new" if key in before else name
        printed = _writing(change.kind, change.entry, change.arguments[key], before.get(key))
        written = f"{printed} > {shlex.quote(files[key])} && "
    kept = change.arguments.get("keep_dtype", ())
    made = under(options.settings, change.arguments["mode"], kept, files)
    trains = options.graph is None and not options.inference
    own = [] if trains else [*_of_a_graph(options), f"operator={options.operator}"]
    return written + line("run" if trains else "explain", [*own, *precision_words(made)])


def _command_or_why(options: ExplainOptions, flip: Flip) -> Tuple[Optional[str], str]:
    """Return the command for a change, None where there is none, and what a person reads."""
    try:
        found = command(options, flip)
    except ConfigError as error:
        return None, not_taken(error)
    return found, found


def _writing(kind: Kind, entry: str, content: Any, before: Any) -> str:
    """Return what prints a file: of lines the new one stands first, for the first one counts."""
    if kind is Kind.LIST:
        return f"echo {shlex.quote(json.dumps(content))}"
    # A backslash, which a name may have, is special to echo in some shells.
    echo = "printf '%s\\n'" if "\\" in entry else "echo"
    if before is None:
        return f"{echo} {shlex.quote(entry)}"
    return f"{{ {echo} {shlex.quote(entry)}; cat {shlex.quote(str(before))}; }}"


def _of_a_graph(options: ExplainOptions) -> List[str]:
    if options.graph is None:
        return ["inference=true"]
    return graph_words(options.graph, options.fetches, options.batch, options.shapes)


def _json(options: ExplainOptions, found: Decision) -> str:
    row = found.row
    kept = ("name", "tf_type", "ge_type", "inputs", "outputs", "colour", "rule", "engine", "parts")
    whole = {
        "mode": found.plan.mode,
        "generation": found.plan.generation,
        "operator": {key: getattr(row, key) for key in kept},
        "chain": [link._asdict() for link in found.chain],
        **found.cost._asdict(),
        "changes": [_as_object(options, flip) for flip in found.flips],
    }
    return as_json(whole)


def _as_object(options: ExplainOptions, flip: Flip) -> Dict[str, Any]:
    return {
        "kind": flip.change.kind,
        "entry": flip.change.entry,
        "inputs": flip.inputs,
        "outputs": flip.outputs,
        "changed": flip.changed,
        **flip.cost._asdict(),
        "command": _command_or_why(options, flip)[0],
    }
