"""What is told of a network, as a value that is kept as JSON, and as lines of a table.

By mode: `plan` (seconds), `float16`, `casts`, `refused` and `ai_cpu` (operators), `bits` ("yes" or
"no"), `cost` (of the emulated step / of the float32 step, with its interval), `problems` (words, by
the part in which they came about; "process": of all parts, "process mix bits": of what it left).
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Sequence

MODES = {
    "mix": "allow_mix_precision",
    "allow": "allow_fp32_to_fp16",
    "force": "force_fp16",
    "cube": "force_fp32",
    "keep": "must_keep_origin_dtype",
}
BASE, TWICE, ALL = "float32", "float32, twice", "all"
PROCESS = "process"
DASH = "-"
SHOWN = 2  # of the variables that a graph reads and writes in no order
BY_MODE = ("plan", "float16", "casts", "refused", "ai_cpu", "bits", "cost", "problems")


def empty() -> Dict[str, Any]:
    """Return what is told of a network of which nothing is known."""
    told: Dict[str, Any] = {"nodes": DASH, "operators": DASH, "plan_only": False}
    told.update(unknown={}, races=[])
    return {**told, **{key: {} for key in BY_MODE}}


def add(known: Mapping[str, Any], found: Mapping[str, Any]) -> Dict[str, Any]:
    """Return what is told by both; of the same mode, and part, what was found last."""
    merged = {key: {**known[key], **found.get(key, {})} for key in BY_MODE}
    for mode, parts in known["problems"].items():
        merged["problems"][mode] = {**parts, **found["problems"].get(mode, {})}
    others = {key: value for key, value in found.items() if key not in BY_MODE and value != DASH}
    return {**known, **others, **merged}


def missing(told: Mapping[str, Any], modes: Sequence[str], parts: Sequence[str]) -> List[str]:
    """Return the modes of which a part is not told yet."""
    parts = [part for part in parts if part == "plan" or not told["plan_only"]]
    return [mode for mode in modes if any(mode not in told[part] for part in parts)]


def to_what_is_left(told: Dict[str, Any], modes: Sequence[str], parts: Sequence[str]) -> None:
    """Say what went wrong with a process of what it was asked for and did not tell.

    So it is forgotten once that is told, and not before.
    """
    asked = {(mode, part): missing(told, [mode], [part]) for mode in modes for part in parts}
    problems = told["problems"].setdefault(ALL, {})
    found = problems.get(PROCESS, [])
    if any(asked.values()):
        problems[PROCESS] = []
    for (mode, part), left in asked.items():
        problems[f"{PROCESS} {mode} {part}"] = found if left else []


def problems_of(told: Mapping[str, Any]) -> List[str]:
    """Return what went wrong, a line each."""
    lines = (
        f"{mode}: {each}"
        for mode, parts in told["problems"].items()
        for found in parts.values()
        for each in found
    )
    return [*dict.fromkeys(lines)]


def by_mode(found: Mapping[str, Any], form: str = "{}") -> str:
    """Return a cell: a value for each mode, one if it is the same for all."""
    cells = [form.format(found[short]) if short in found else DASH for short in MODES]
    return cells[0] if len(set(cells)) == 1 else " / ".join(cells)


def row(name: str, told: Mapping[str, Any]) -> str:
    """Return a line of the table."""
    medians = {name: text.split()[0] for name, text in told["cost"].items()}
    control = f" ({medians[TWICE]})" if TWICE in medians else ""
    share = {mode: 100 * count / told["operators"] for mode, count in told["float16"].items()}
    cells = [
        name,
        f"{told['nodes']} -> {told['operators']}",
        by_mode(share, "{:.0f}"),
        by_mode(told["casts"]),
        by_mode(told["ai_cpu"]),
        by_mode(told["refused"]),
        str(sum(told["unknown"].values())),
        by_mode(told["plan"], "{:.1f}"),
        by_mode(told["bits"]),
        by_mode(medians) + control,
    ]
    return f"| {' | '.join(cells)} |"


HEAD = (
    "network", "nodes -> operators", "in float16, %", "casts", "AI CPU", "refused", "not decided",
    "plan, seconds", "fast = reference", "cost (control)",
)  # fmt: skip


def table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the table, then what was not decided and what went wrong, a line each."""
    lines = [f"cells by mode: {' / '.join(MODES)}, one where all are the same", ""]
    lines += [f"| {' | '.join(HEAD)} |", "|" + "---|" * len(HEAD)]
    lines += [row(name, told) for name, told in found.items()]
    for name, told in found.items():
        types = [f"{kind} {count}" for kind, count in told["unknown"].items()]
        lines += [f"{name}: not decided: {', '.join(types)}"] if types else []
        more = [f"{len(told['races']) - SHOWN} more"] if told["races"][SHOWN:] else []
        put = "; ".join([*told["races"][:SHOWN], *more])
        lines += [f"{name}: in no order by itself, put in one: {put}"] if put else []
        lines += [f"{name}: {problem}" for problem in problems_of(told)]
    return "\n".join(lines)
