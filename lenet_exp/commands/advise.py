"""A network -> the modes it can be trained in, what has to stay float32, and one recommendation."""

from __future__ import annotations

import dataclasses
import json
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from lenet_exp import tf_compat
from lenet_exp.commands import advice_check
from lenet_exp.commands.advice_trained import Target, Trainings, trained_keep_list
from lenet_exp.commands.advice_words import command, nearest, of_epsilon, others
from lenet_exp.commands.diagnose import step_of
from lenet_exp.config.cli.diagnosis_options import AdviseOptions
from lenet_exp.config.schema.run import FixedLossScale, Settings
from lenet_exp.errors import GraphError
from lenet_exp.experiment.steps import Step, lenet_step, plan_of
from lenet_exp.precision import Plan
from lenet_exp.precision.diagnosis import window
from lenet_exp.precision.diagnosis.errors import Diagnosis, diagnose
from lenet_exp.precision.diagnosis.exponents import exponents
from lenet_exp.precision.diagnosis.front import Point, front, point_of, recommended
from lenet_exp.precision.diagnosis.keep_list import (
    KeepList,
    agreements_of_updates,
    checked_file,
    customize_dtypes,
    keep_list,
    mixlist,
)
from lenet_exp.precision.reporting.tables import wrapped
from lenet_exp.precision.reporting.verdict import verdict
from lenet_exp.record import writable
from lenet_exp.record.run.run_files import write_bytes
from lenet_exp.record.waiting import waiting

_KEEPS = "must_keep_origin_dtype"
_MOST_NAMES = 3
_TRAINS = "fetches=[NAME] of the training operation, or a graph that has one"
_PROGRAM = 3  # words: python -m lenet_exp.run


class Tried(NamedTuple):
    """A mode alone, and with the operators that have to stay float32 in it."""

    mode: str
    plain: Point
    kept: Point
    found: Diagnosis


class Advice(NamedTuple):
    """What came out; `refused`: mode -> what the chip refuses in it."""

    tried: Tuple[Tried, ...]
    refused: Dict[str, Tuple[str, ...]]
    best: Optional[Point]
    windows: Tuple[window.Window, ...]

    @property
    def points(self) -> List[Point]:
        """All points, each once."""
        pairs = ((each.plain, each.kept) for each in self.tried)
        return [p for one, two in pairs for p in ([one] if one == two else [one, two])]


def main(options: AdviseOptions) -> int:
    """Print the advice, and write the files of its keep list.

    Raises:
        LenetExpError: there is no such run, graph or file; a file can't be written.
    """
    writable.check("to", options.to, options.command("to", "DIR"))
    tf_compat.configure(hide_gpus=True, deterministic=False)
    step, settings = _scaled(*step_of(options))
    # What a run kept float32 is looked for anew; what is typed now stays in any case.
    kept = options.settings.precision.keep_dtype
    precision = dataclasses.replace(settings.precision, keep_dtype=kept)
    settings = dataclasses.replace(settings, precision=precision)
    found = _advice(options, step, settings)
    files = _written(options, step, settings, found.best)
    made = command(options, settings, found.best, found.windows, files, step)
    width = shutil.get_terminal_size((100, 24)).columns
    is_json = options.format == "json"
    text = _json(found, made) if is_json else _wrapped(_text(options, found, made), width)
    print(text, flush=True)
    return advice_check.check(shlex.split(made)[_PROGRAM:], settings) if options.check else 0


def _scaled(step: Step, settings: Settings) -> Tuple[Step, Settings]:
    """Return a step of ours as it is when its loss is scaled, by 1: its nodes have other names."""
    if step.settings is None:
        return step, settings
    by_one = dataclasses.replace(settings, loss_scale=FixedLossScale(name="fixed", value=1.0))
    scaled = lenet_step(by_one)
    values = {name: step.values.get(name, value) for name, value in scaled.values.items()}
    return scaled._replace(values=values), by_one


def _advice(options: AdviseOptions, step: Step, settings: Settings) -> Advice:
    tried, refused = [], {}
    for mode in options.modes:
        plan = _plan(step, settings, mode)
        types = verdict(plan).refused
        if types:
            refused[mode] = types
        else:
            tried.append(_try(options, step, settings, plan))
    best = recommended(point for each in tried for point in (each.plain, each.kept))
    windows = () if best is None else _windows(options, step, settings, best.kept.plan)
    return Advice(tuple(tried), refused, best, windows)


def _plan(step: Step, settings: Settings, mode: str, names: Sequence[str] = ()) -> Plan:
    kept = (*settings.precision.keep_dtype, *names)
    return plan_of(step, settings, mode, keep_dtype=kept if mode != _KEEPS else ())


def _try(options: AdviseOptions, step: Step, settings: Settings, plan: Plan) -> Tried:
    mode, inputs = plan.mode.value, (step.values, step.feeds(0))
    with waiting(f"{mode}: one step"):
        found = diagnose(plan, *inputs, flush=settings.precision.flush_subnormals)
    if not found.gradients:
        raise GraphError("the step", "has no gradient, so nothing is trained", _TRAINS)
    update = min(agreements_of_updates(found).values(), default=1.0)
    near = min(found.gradient.agreement, update) >= options.target
    plain = KeepList((), plan, found.gradient, update, near, True, 0)
    made = plain
    if options.accuracy is not None:
        made = _trained(options, step, settings, found, options.accuracy)
        plain = plain._replace(holds=made.holds and not made.names)
        made = made if made.names else plain
    elif not near:
        with waiting(f"{mode}: keep lists") as say:
            made = keep_list(
                lambda names: _plan(step, settings, mode, names), found, *inputs, options.target,
                options.budget, lambda tests: say(f"{mode}: keep lists, {tests} tried"), options.by,
            )  # fmt: skip
    return Tried(mode, point_of(mode, plain), point_of(mode, made), found)


def _trained(
    options: AdviseOptions, step: Step, settings: Settings, found: Diagnosis, accuracy: float
) -> KeepList:
    """Return what has to stay float32 for a training to get so far; say each training."""
    mode, done = found.plan.mode.value, 0
    scale = _windows(options, step, settings, found.plan)[-1].recommended or 1.0
    made = Trainings(others(options, settings, mode, {}), mode, scale)

    def reached(names: Sequence[str]) -> float:
        nonlocal done
        done, value = done + 1, made.accuracy((*settings.precision.keep_dtype, *names))
        said = f"{mode}, training {done} of at most {options.budget + 1}, sweep {made.sweep}"
        print(f"{said}: {len(names)} float32, accuracy {value:.4f}", file=sys.stderr, flush=True)
        return value

    return trained_keep_list(
        lambda names: _plan(step, settings, mode, names), found, (step.values, step.feeds(0)),
        Target(accuracy, options.budget, options.by), reached,
    )  # fmt: skip


def _windows(
    options: AdviseOptions, step: Step, settings: Settings, plan: Plan
) -> Tuple[window.Window, ...]:
    """Return the loss scale's window for one device, and for as many as are asked about."""
    with waiting("loss scale") as say:
        found = exponents(
            plan, step.values, step.feeds, options.steps,
            say=lambda done: say(f"loss scale: step {done} of {options.steps}"),
            flush=settings.precision.flush_subnormals, batches=step.steps,
        )  # fmt: skip
    ranks = [1] if options.ranks == 1 else [1, options.ranks]
    return tuple(window.window(found, number) for number in ranks)


def _written(
    options: AdviseOptions, step: Step, settings: Settings, best: Optional[Point]
) -> Dict[str, Path]:
    """Write the keep list as the vendor's files; return them by the setting that takes each."""
    if best is None or not best.kept.names:
        return {}
    files: Dict[str, Path] = {}
    plan, names = best.kept.plan, best.kept.names
    lines = customize_dtypes(plan, names)

    def by_lines(content: str) -> Plan:
        return plan_of(step, settings, best.mode, customize_dtypes=content)

    if checked_file(by_lines, lines, plan):
        files["precision.customize_dtypes"] = options.to / "customize_dtypes.txt"
        write_bytes(files["precision.customize_dtypes"].absolute(), lines.encode())
    lists = mixlist(plan, names) if best.mode == "allow_mix_precision" else None
    if lists is not None:
        write_bytes((options.to / "modify_mixlist.json").absolute(), json.dumps(lists).encode())
        files["precision.modify_mixlist"] = options.to / "modify_mixlist.json"
    by_name = "".join(f"{name}\n" for name in names).encode()
    write_bytes((options.to / "keep_dtype.txt").absolute(), by_name)
    return files


def _text(options: AdviseOptions, found: Advice, line: str) -> List[str]:
    best, points = found.best, found.points
    edge = front(points)
    lines = [
        f"one step, held against float32 (target: {_target(options)})",
        "",
        "  mode                      gradients   updates    cube   bytes  casts  kept in float32",
    ]
    for point in points:
        mark = "*" if point is best else "+" if point in edge else " "
        lines.append(_row(mark, point))
    lines += [f"  {mode}: the chip refuses {', '.join(t)}" for mode, t in found.refused.items()]
    lines += ["* recommended, + on the Pareto front; cube, bytes: shares in float16", ""]
    if best is None:
        trained = options.accuracy is not None and bool(points)
        none = "no training got as far as target=: more of budget=, or other modes="
        return [*lines, *([none] if trained else nearest(points))]
    verb = "train it" if ".run " in line else "its plan"
    lines += [*_why(options, found), *_scale(found), "", f"{verb}: {line}"]
    return lines


def _target(options: AdviseOptions) -> str:
    if options.accuracy is not None:
        return f"a training's accuracy >= {options.accuracy:g}"
    return f"cosine >= {options.target:g}"


def _row(mark: str, point: Point) -> str:
    kept = point.kept
    size = len(kept.names)
    count = f"{size} operator{'s' if size > 1 else ''}" if size else "-"
    if kept.names and not kept.holds:
        count += ", not enough"
    elif not kept.is_minimal:
        count += ", budget ended"
    cpu = f"; AI CPU: {_names(point.ai_cpu)}" if point.ai_cpu else ""
    return (
        f"{mark} {point.mode:24}  {kept.gradient.agreement:9.6f}  {kept.updates:8.5f}"
        f"  {point.cube:5.0%}  {point.short:6.0%}  {point.casts:5}  {count}{cpu}"
    )


def _why(options: AdviseOptions, found: Advice) -> List[str]:
    """Return why it is that one, and what is wrong with the others."""
    best, lines = found.best, []
    if best is not None and best.kept.names:
        size = "none can be left out" if best.kept.is_minimal else "the budget ended first"
        kind = f", by {options.by}" if options.by != "name" else ""
        lines.append(f"stay float32{kind} ({size}): {_names(best.kept.groups)}")
    for each in found.tried:
        wrong = [e for e in each.found.by_damage if e.damage > 1 - each.plain.kept.gradient.cosine]
        if not each.plain.kept.holds and wrong:
            row = wrong[0].operator
            said = f"{each.mode} alone: {row.ge_type} {row.name} is wrong by {wrong[0].damage:.1g}"
            lines.append(said + of_epsilon(options, each.found))
    return lines


def _names(names: Sequence[str]) -> str:
    left = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {left} more" if left > 0 else "")


def _scale(found: Advice) -> List[str]:
    if not found.windows:
        return []
    return window.text(found.windows)


def _wrapped(lines: Sequence[str], width: int) -> str:
    kept = []
    for line in lines:
        whole = line.startswith(("train it:", "its plan:", "  ", "* ", "+ "))
        kept += [line] if whole or len(line) <= width else wrapped("", line, "", width)
    return "\n".join(kept)


def _json(found: Advice, line: str) -> str:
    points = [
        {
            "mode": p.mode, "kept": list(p.kept.names), "minimal": p.kept.is_minimal,
            "holds": p.holds, "gradient_cosine": p.kept.gradient.cosine,
            "gradient_distance": p.kept.gradient.distance,
            "update_cosine": p.kept.updates, "cube_float16": p.cube, "bytes_float16": p.short,
            "moved_bytes": p.moved, "casts": p.casts, "ai_cpu": list(p.ai_cpu),
            "front": p in front(found.points), "recommended": p is found.best,
        }
        for p in found.points
    ]  # fmt: skip
    windows: List[Any] = [
        {"ranks": each.ranks, "lower": each.lower, "upper": each.upper, "scale": each.recommended}
        for each in found.windows
    ]
    whole = {"points": points, "refused": found.refused, "loss_scale": windows, "command": line}
    return json.dumps(whole, indent=1)
