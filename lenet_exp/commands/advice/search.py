"""A step of a network -> what each mode does to it, and what of that is recommended."""

from __future__ import annotations

import dataclasses
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from lenet_exp.commands.advice.trained import Trainings, trained_keep_list
from lenet_exp.commands.advice.words import decided, run_words, scale_words
from lenet_exp.config import checks
from lenet_exp.config.cli.diagnosis_options import AdviseOptions
from lenet_exp.config.schema.run import FixedLossScale, Settings
from lenet_exp.errors import ConfigError, GraphError
from lenet_exp.experiment.steps import Step, lenet_step, plan_of
from lenet_exp.precision import Plan
from lenet_exp.precision.diagnosis.errors import Diagnosis, diagnose
from lenet_exp.precision.diagnosis.exponents import exponents
from lenet_exp.precision.diagnosis.front import Point, point_of, recommended
from lenet_exp.precision.diagnosis.keep_list import KeepList, agreements_of_updates, keep_list
from lenet_exp.precision.diagnosis.window import Window, window
from lenet_exp.precision.reporting.verdict import verdict
from lenet_exp.record.waiting import waiting

_KEEPS = "must_keep_origin_dtype"
_TRAINS = "fetches=[NAME] of the training operation, or a graph that has one"


class Tried(NamedTuple):
    """A mode alone, and with the operators that have to stay float32 in it.

    `windows` of the loss scale that it was trained with, none where nothing was trained.
    """

    mode: str
    plain: Point
    kept: Point
    found: Diagnosis
    windows: Tuple[Window, ...] = ()


class Advice(NamedTuple):
    """What came out; `refused`: mode -> what of it the chip refuses."""

    tried: Tuple[Tried, ...]
    refused: Dict[str, Tuple[str, ...]]
    best: Optional[Point]
    windows: Tuple[Window, ...]

    @property
    def points(self) -> List[Point]:
        """All points, each once."""
        pairs = ((each.plain, each.kept) for each in self.tried)
        return [p for one, two in pairs for p in ([one] if one == two else [one, two])]

    def scale(self, is_trained: bool) -> List[str]:
        """Return the words of the loss scale; one that was trained is said in any case."""
        if self.best is None or not self.windows:
            return []
        is_set = is_trained or bool(self.best.kept.names)
        return scale_words(self.windows[-1].recommended, is_set)


def scaled(step: Step, settings: Settings) -> Tuple[Step, Settings]:
    """Return a step of ours as it is when its loss is scaled, by 1: its nodes have other names."""
    if step.settings is None:
        return step, settings
    by_one = dataclasses.replace(settings, loss_scale=FixedLossScale(name="fixed", value=1.0))
    made = lenet_step(by_one)
    values = {name: step.values.get(name, value) for name, value in made.values.items()}
    return made._replace(values=values), by_one


def advice(
    options: AdviseOptions, step: Step, settings: Settings, say: Callable[[str], None]
) -> Advice:
    """Return what came out for each mode that is asked for; `say` each training that is made.

    Raises:
        LenetExpError: the step trains nothing, or a training failed.
    """
    tried, refused = [], {}
    for mode in options.modes:
        plan = _plan(step, settings, mode)
        wrong = (*_lacking(settings, mode), *verdict(plan).refused)
        if wrong:
            refused[mode] = wrong
        else:
            tried.append(_try(options, step, settings, plan, say))
    best = recommended(point for each in tried for point in (each.plain, each.kept))
    trained = [each.windows for each in tried if best in (each.plain, each.kept)]
    windows = trained[0] if trained else ()
    if best is not None and not windows:
        windows = _windows(options, step, settings, best.kept.plan)
    return Advice(tuple(tried), refused, best, windows)


def _lacking(settings: Settings, mode: str) -> Tuple[str, ...]:
    """Return what an adapter says of a mode that it has not."""
    precision = dataclasses.replace(settings.precision, mode=mode)
    try:
        checks.check_generation(dataclasses.replace(settings, precision=precision))
    except ConfigError:
        return (f"it: hardware.cann={settings.hardware.cann} has no such mode",)
    return ()


def _plan(step: Step, settings: Settings, mode: str, names: Sequence[str] = ()) -> Plan:
    kept = (*settings.precision.keep_dtype, *names)
    return plan_of(step, settings, mode, keep_dtype=kept if mode != _KEEPS else ())


def _try(
    options: AdviseOptions, step: Step, settings: Settings, plan: Plan, say: Callable[[str], None]
) -> Tried:
    mode = plan.mode.value
    with waiting(f"{mode}: one step"):
        found = diagnose(
            plan, step.values, step.feeds(0), flush=settings.precision.flush_subnormals
        )
    if not found.gradients:
        raise GraphError("the step", "has no gradient, so nothing is trained", _TRAINS)
    if options.target.measure == "accuracy":
        return _trained(options, step, settings, found, say)
    update = min(agreements_of_updates(found).values(), default=1.0)
    near = min(found.gradient.agreement, update) >= options.target.least
    plain = KeepList((), plan, found.gradient, update, near, True, 0)
    made = plain if near else _near_enough(options, step, settings, found)
    alone = point_of(mode, plain)
    return Tried(mode, alone, alone if made is plain else point_of(mode, made), found)


def _near_enough(
    options: AdviseOptions, step: Step, settings: Settings, found: Diagnosis
) -> KeepList:
    """Return what has to stay float32 for one step to be near enough."""
    mode = found.plan.mode.value
    with waiting(f"{mode}: keep lists") as say:
        return keep_list(
            lambda names: _plan(step, settings, mode, names), found, step.values, step.feeds(0),
            options.target.least, options.budget,
            lambda tests: say(f"{mode}: keep lists, {tests} tried"), options.by,
        )  # fmt: skip


def _trained(
    options: AdviseOptions,
    step: Step,
    settings: Settings,
    found: Diagnosis,
    say: Callable[[str], None],
) -> Tried:
    """Return what has to stay float32 for a training to get far enough."""
    mode, done = found.plan.mode.value, 0
    windows = _windows(options, step, settings, found.plan)
    scale = scale_words(windows[-1].recommended, is_set=True)
    made = Trainings(
        lambda names: run_words(options, settings, decided(settings, mode, names, {}), scale)
    )

    def holds(names: Sequence[str]) -> bool:
        nonlocal done
        done, reached = done + 1, made.accuracy(names)
        begun = f"{mode}, training {done} of at most {options.budget}, sweep {made.sweep}"
        say(f"{begun}: {len(names)} float32, accuracy {reached:.4f}")
        return reached >= options.target.least

    kept = trained_keep_list(
        lambda names: _plan(step, settings, mode, names), found, (step.values, step.feeds(0)),
        holds, options.budget, options.by,
    )  # fmt: skip
    point = point_of(mode, kept)
    if not kept.names:
        return Tried(mode, point, point, found, windows)
    update = min(agreements_of_updates(found).values(), default=1.0)
    plain = KeepList((), found.plan, found.gradient, update, holds=False, is_minimal=True, tests=0)
    return Tried(mode, point_of(mode, plain), point, found, windows)


def _windows(
    options: AdviseOptions, step: Step, settings: Settings, plan: Plan
) -> Tuple[Window, ...]:
    """Return the loss scale's window for one device, and for as many as are asked about."""
    with waiting("loss scale") as say:
        found = exponents(
            plan, step.values, step.feeds, options.steps,
            say=lambda done: say(f"loss scale: step {done} of {options.steps}"),
            flush=settings.precision.flush_subnormals, batches=step.steps,
        )  # fmt: skip
    ranks = [1] if options.ranks == 1 else [1, options.ranks]
    return tuple(window(found, number) for number in ranks)
