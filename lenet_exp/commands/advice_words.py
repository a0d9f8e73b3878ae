"""The words of an advice: what to type, and why."""

from __future__ import annotations

import math
import shlex
from pathlib import Path
from typing import List, Mapping, Optional, Sequence

from lenet_exp.config.cli.diagnosis_options import AdviseOptions
from lenet_exp.config.cli.json_words import word
from lenet_exp.config.cli.options import list_of
from lenet_exp.config.input_shapes import InputShapes
from lenet_exp.config.run_words import words_of
from lenet_exp.config.schema.run import Settings
from lenet_exp.experiment.steps import CAPTURED, Step
from lenet_exp.precision.diagnosis.epsilon import epsilon_of, is_lost, least
from lenet_exp.precision.diagnosis.errors import Diagnosis
from lenet_exp.precision.diagnosis.front import Point
from lenet_exp.precision.diagnosis.window import Window

_LINES = "precision.customize_dtypes"  # of the files that hold a keep list the one for all modes


def is_of_a_person(options: AdviseOptions) -> bool:
    """Return whether the graph is a person's own, which no command here trains."""
    return options.graph is not None or options.capture is not None


def command(
    options: AdviseOptions,
    settings: Settings,
    best: Optional[Point],
    windows: Sequence[Window],
    files: Mapping[str, Path],
    step: Optional[Step] = None,
) -> str:
    """Return the command that trains the recommendation, or of a person's graph explains it.

    `files`: the keep list as the vendor's files, by the setting that takes each; of a person's
    graph there are no `windows` that a command could take, but the `step` that was made of it.
    """
    if best is None:
        return ""
    words, left = [f"precision={best.mode}"], others(options, settings, best.mode, files)
    is_named = any(each.startswith("init_from=") for each in left)
    if options.checkpoint is not None and not is_of_a_person(options) and not is_named:
        left.append(word("init_from", str(options.checkpoint)))
    kept = dict.fromkeys((*settings.precision.keep_dtype, *best.kept.names))
    if _LINES in files:
        words.append(word(_LINES, str(files[_LINES])))
        kept = dict.fromkeys(settings.precision.keep_dtype)
    if kept and best.mode != "must_keep_origin_dtype":
        words.append(word("precision.keep_dtype", [*kept]))
    if is_of_a_person(options):
        return _line("explain", [*_of_a_graph(options, step), *words, *left])
    scale = windows[-1].recommended
    if scale is None:  # one that moves loses the fewest steps, and its graph has the same names
        words.append("loss_scale=dynamic")
    elif scale != 1 or best.kept.names:
        words += ["loss_scale=fixed", f"loss_scale.value={scale:.17g}"]
    return _line("run", [*words, *left])


def _of_a_graph(options: AdviseOptions, step: Optional[Step]) -> List[str]:
    """Return the words of explain that plan the graph whose step was made."""
    graph = options.graph or (options.capture or Path()) / CAPTURED[0]
    fetches = step.fetches if step is not None and options.capture is not None else options.fetches
    shapes = InputShapes("")
    shapes.update({} if step is None else step.shapes)
    words = [f"graph={graph}", *([f"fetches={list_of(fetches)}"] if fetches else [])]
    return [*words, *([f"shapes={shapes}"] if shapes else [])]


def others(
    options: AdviseOptions, settings: Settings, mode: str, files: Mapping[str, Path]
) -> List[str]:
    """Return the words of what was not decided here: of a run what it was recorded with."""
    decided = {"precision.mode", "precision.keep_dtype", *(files.keys() & {_LINES})}
    if mode != "allow_mix_precision":
        decided.add("precision.modify_mixlist")  # which no other mode has
    made = words_of(settings, ["loss_scale"])
    kept = [word for word in made if word.partition("=")[0] not in decided]
    if options.run is not None:
        return kept
    return [*(word for word in kept if word.startswith("precision.")), *options.words]


def _line(verb: str, words: Sequence[str]) -> str:
    return " ".join([f"python -m lenet_exp.{verb}", *map(shlex.quote, words)])


def nearest(points: Sequence[Point]) -> List[str]:
    """Return what can be done where nothing can be recommended: the target that is reached."""
    if not points:
        return ["the chip refuses every mode that was tried: modes= others, or another network"]
    best = max(points, key=lambda point: -point.error)
    if best.kept.holds:
        return ["the chip refuses what reaches the target: modes= others, or another network"]
    reached = math.floor((1 - best.error) * 1e6) / 1e6
    lower = f"'target=cosine>={reached:g}', or " if reached > 0 else ""
    said = f"no mode reaches the target, {best.mode} is the nearest with {1 - best.error:.6f}"
    return [f"{said}: {lower}another network"]


def of_epsilon(options: AdviseOptions, found: Diagnosis) -> str:
    """Return what Adam's epsilon has to do with it, where it has."""
    worst, plan = found.by_damage[0].operator, found.plan
    epsilon = epsilon_of(plan, worst) if "ApplyAdam" in worst.ge_type else None
    flush = options.settings.precision.flush_subnormals
    if epsilon is None or not is_lost(epsilon, flush) or "float16" not in worst.outputs:
        return ""
    is_own = is_of_a_person(options)
    named = "its epsilon" if is_own else "optimizer.epsilon"
    remedy = f"{named} has to be {least(flush):.0e} or more"
    if not is_own and options.run is None:
        remedy += " (experiment=force_fp16_adam)"
    return (
        f" of the step: in float16 its epsilon, {epsilon:.6g}, and squares of small gradients are"
        f" 0, so that the update divides by 0; {remedy}, or the update float32"
    )
