"""An advice for a reader: so many lines as a terminal shows at once, or JSON."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Sequence

from lenet_exp.commands.advice.search import Advice, Tried
from lenet_exp.commands.advice.words import nearest, of_epsilon
from lenet_exp.config.cli.diagnosis_options import AdviseOptions
from lenet_exp.precision.diagnosis import window
from lenet_exp.precision.diagnosis.front import Point, front
from lenet_exp.precision.reporting.records import as_json
from lenet_exp.precision.reporting.tables import wrapped

MOST_LINES = 25
_MOST_NAMES = 3
_LONGEST_NAME = 40
_RUINED = 0.5  # the damage of an operator that is named however far off the gradients are
_TABLE = (
    f"  {'mode':22} {'gradients':>9} {'updates':>8} {'cube':>5} {'bytes':>5} {'casts':>5}"
    "  kept in float32"
)
_STAYS, _SHOWN, _TOLD, _MORE, _WHY = range(5)  # what is left out last, and what first


class _Part(NamedTuple):
    """Lines that are shown together or not at all, those of a higher `rank` the first not."""

    rank: int
    lines: Sequence[str]


def text(options: AdviseOptions, found: Advice, last: str, width: int) -> str:
    """Return the advice in at most `MOST_LINES` lines of a terminal.

    Args:
        options: what was asked.
        found: what came out.
        last: the command, in the last line, whole however long it is.
        width: of the terminal, in columns.
    """
    parts = [
        _whole(_STAYS, f"one step, held against float32 (target: {_target(options)})", "", _TABLE),
        *_points(found),
        _whole(_STAYS, "* recommended, + on the Pareto front; cube, bytes: shares in float16", ""),
    ]
    if found.best is None:
        parts.append(_wrapped(_STAYS, _nearest(options, found), width))
    else:
        parts += [
            *(_wrapped(_STAYS, line, width) for line in _kept(options, found.best)),
            *(_wrapped(rank, why, width) for rank, why in _reasons(options, found)),
            *_scale(found, width),
            _whole(_STAYS, ""),
        ]
    end = [last] if last else []
    return "\n".join([*_fitted(parts, MOST_LINES - len(end), width), *end])


def _fitted(parts: Sequence[_Part], most: int, width: int) -> List[str]:
    """Return the lines, and how many are left out for there to be at most so many."""
    kept = list(parts)
    while sum(_height(part, width) for part in kept) + (len(kept) < len(parts)) > most:
        rank = max(part.rank for part in kept)
        if rank == _STAYS:
            break
        kept.pop(max(at for at, part in enumerate(kept) if part.rank == rank))
    lines = [line for part in kept for line in part.lines]
    left = sum(len(part.lines) for part in parts) - len(lines)
    if left:
        lines.insert(len(lines) - (lines[-1] == ""), f"({left} lines more: format=json has all)")
    return lines


def _height(part: _Part, width: int) -> int:
    """Return how many lines of the terminal a part takes."""
    return sum(max(1, -(-len(line) // width)) for line in part.lines)


def _whole(rank: int, *lines: str) -> _Part:
    return _Part(rank, lines)


def _wrapped(rank: int, line: str, width: int) -> _Part:
    return _Part(rank, wrapped("", line, "", width))


def _target(options: AdviseOptions) -> str:
    trained = "a training's " if options.target.measure == "accuracy" else ""
    return f"{trained}{options.target.measure} >= {options.target.least:g}"


def _points(found: Advice) -> List[_Part]:
    edge, parts = front(found.points), []
    for point in found.points:
        mark = "*" if point is found.best else "+" if point in edge else " "
        rank = {"*": _STAYS, "+": _SHOWN}.get(mark, _MORE)
        parts.append(_whole(rank, _row(mark, point)))
    for mode, wrong in found.refused.items():
        parts.append(_whole(_TOLD, f"  {mode}: the chip refuses {_names(wrong)}"))
    return parts


def _row(mark: str, point: Point) -> str:
    kept = point.kept
    cube = "-" if point.cube is None else f"{point.cube:.0%}"
    return (
        f"{mark} {point.mode:22} {kept.gradient.agreement:9.6f} {kept.updates:8.5f}"
        f" {cube:>5} {point.short:5.0%} {point.casts:5}  {_count(point)}{_cpu(point)}"
    )


def _count(point: Point) -> str:
    kept = point.kept
    size = len(kept.names)
    if size and not kept.holds:
        return f"{size}, not enough"
    if not kept.is_minimal:
        return f"{size or '-'}, budget ended"
    return f"{size} operator{'s' if size > 1 else ''}" if size else "-"


def _cpu(point: Point) -> str:
    return f"; AI CPU: {_names(point.ai_cpu)}" if point.ai_cpu else ""


def _names(names: Sequence[str]) -> str:
    shown = [_end(name) for name in names[:_MOST_NAMES]]
    left = len(names) - len(shown)
    return ", ".join(shown) + (f" and {left} more" if left > 0 else "")


def _end(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"...{name[3 - _LONGEST_NAME :]}"


def _nearest(options: AdviseOptions, found: Advice) -> str:
    if options.target.measure == "accuracy" and found.points:
        return "no training got as far as target=: more of budget=, or other modes="
    return nearest(found.points)


def _kept(options: AdviseOptions, best: Point) -> List[str]:
    """Return which operators stay float32."""
    if not best.kept.names:
        return []
    size = "none can be left out" if best.kept.is_minimal else "the budget ended first"
    kind = f", by {options.by}" if options.by != "name" else ""
    return [f"stay float32{kind} ({size}): {_names(best.kept.groups)}"]


def _reasons(options: AdviseOptions, found: Advice) -> List[Any]:
    """Return what is wrong with modes alone, each with its rank: first that of the best."""
    best = found.best.mode if found.best is not None else ""
    pairs = ((each.mode, _reason(options, each)) for each in found.tried)
    return [(_TOLD if mode == best else _WHY, why) for mode, why in pairs if why]


def _reason(options: AdviseOptions, tried: Tried) -> str:
    """Return which operator is wrong in a mode alone, "" where none is."""
    least = min(_RUINED, 1 - tried.plain.kept.gradient.agreement)
    wrong = [each for each in tried.found.by_damage if each.damage > least]
    if tried.plain.kept.holds or not wrong:
        return ""
    row = wrong[0].operator
    said = f"{tried.mode} alone: {row.ge_type} {_end(row.name)} is wrong by {wrong[0].damage:.1g}"
    return said + of_epsilon(options, tried.found)


def _scale(found: Advice, width: int) -> List[_Part]:
    """Return the loss scale's windows; what becomes 0 or overflows at their ends is told."""
    if not found.windows:
        return []
    lines = window.text(found.windows)
    ends = range(1 + len(found.windows), len(lines) - 1)
    ranks = [_TOLD if at in ends else _SHOWN for at in range(len(lines) - 1)]
    return [_wrapped(rank, line, width) for rank, line in zip([*ranks, _STAYS], lines)]


def as_data(options: AdviseOptions, found: Advice, line: str) -> str:
    """Return the advice as JSON; `line`: the command, "" where there is none."""
    edge = front(found.points)
    points = [
        {
            "mode": p.mode, "kept": p.kept.names, "minimal": p.kept.is_minimal,
            "holds": p.holds, "gradient_cosine": p.kept.gradient.cosine,
            "gradient_distance": p.kept.gradient.distance,
            "update_cosine": p.kept.updates, "cube_float16": p.cube, "bytes_float16": p.short,
            "moved_bytes": p.moved, "casts": p.casts, "ai_cpu": p.ai_cpu,
            "front": p in edge, "recommended": p is found.best,
        }
        for p in found.points
    ]  # fmt: skip
    return as_json({
        "points": points, "refused": found.refused,
        "reasons": [why for _, why in _reasons(options, found)],
        "loss_scale": [_window(each) for each in found.windows], "command": line,
    })  # fmt: skip


def _window(found: window.Window) -> Dict[str, Any]:
    sites = {"below": found.lower_site, "above": found.upper_site}
    return {
        "ranks": found.ranks, "lower": found.lower, "upper": found.upper,
        "scale": found.recommended,
        **{end: None if site is None else site.operator for end, site in sites.items()},
    }  # fmt: skip
