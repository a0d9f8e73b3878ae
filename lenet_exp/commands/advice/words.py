"""The words of an advice: what to type, and why."""

from __future__ import annotations

import math
from pathlib import Path
from typing import List, Mapping, Optional, Sequence

from lenet_exp.commands.advice.command import graph_words, line, precision_words, under
from lenet_exp.config.cli.diagnosis_options import AdviseOptions
from lenet_exp.config.cli.json_words import word as word_of
from lenet_exp.config.input_shapes import InputShapes
from lenet_exp.config.schema.run import PRECISION_FILES, Settings, precision_files
from lenet_exp.experiment.steps import CAPTURED, Step
from lenet_exp.precision.diagnosis.epsilon import epsilon_of, is_lost, least
from lenet_exp.precision.diagnosis.errors import Diagnosis
from lenet_exp.precision.diagnosis.front import Point
from lenet_exp.precision.planning.options import unread

_LINES = "precision.customize_dtypes"  # of the files that hold a keep list the one for all modes


def is_of_a_person(options: AdviseOptions) -> bool:
    """Return whether the graph is a person's own, which no command here trains."""
    return options.graph is not None or options.capture is not None


def command(
    options: AdviseOptions,
    settings: Settings,
    best: Point,
    scale: Sequence[str],
    files: Mapping[str, Path],
    step: Optional[Step] = None,
) -> str:
    """Return the command that trains the recommendation, or of a person's graph explains it.

    Args:
        options: what was asked.
        settings: that the plans were made by.
        best: what is recommended.
        scale: the words of the loss scale; a person's graph has its own.
        files: the keep list as the vendor's files, by the setting that takes each.
        step: that was made of a person's graph.

    Raises:
        ConfigError: no run takes it with these settings.
    """
    made = decided(settings, best.mode, best.kept.names, files)
    if is_of_a_person(options):
        found = precision_words(made, ["loss_scale"])
        return line("explain", [*_of_a_graph(options, step), *found])
    return line("run", run_words(options, settings, made, scale))


def decided(
    settings: Settings, mode: str, names: Sequence[str], files: Mapping[str, Path]
) -> Settings:
    """Return the settings of a mode under a keep list: a file of lines has its names, or a key."""
    kept = dict.fromkeys(settings.precision.keep_dtype)
    read = {
        key: str(path)
        for key, path in precision_files(settings).items()
        if key in PRECISION_FILES and not unread(key, mode, settings.hardware.cann)
    }
    if _LINES in files:
        read["customize_dtypes"] = str(files[_LINES])
    else:
        kept.update(dict.fromkeys(names))
    return under(settings, mode, [*kept] if mode != "must_keep_origin_dtype" else (), read)


def run_words(
    options: AdviseOptions, settings: Settings, made: Settings, scale: Sequence[str]
) -> List[str]:
    """Return the words of a run of the `made` settings: what was typed stays as it was typed."""
    found = precision_words(made, ["loss_scale"])
    mine = [word for word in found if word.startswith("precision")]
    same = options.run is None and made.hardware == settings.hardware
    left = [*options.words] if same else found[len(mine) :]
    is_named = any(word.startswith("init_from=") for word in left)
    if options.checkpoint is not None and not is_named:
        left.append(word_of("init_from", str(options.checkpoint)))
    return [*mine, *scale, *left]


def scale_words(scale: Optional[float], is_set: bool) -> List[str]:
    """Return the words of a loss scale; None: no scale does.

    `is_set`: one of 1 is said too, for it gives the graph other nodes than none.
    """
    if scale is None:  # one that moves loses the fewest steps, and its graph has the same names
        return ["loss_scale=dynamic"]
    if scale == 1 and not is_set:
        return []
    return ["loss_scale=fixed", f"loss_scale.value={scale:.17g}"]


def _of_a_graph(options: AdviseOptions, step: Optional[Step]) -> List[str]:
    """Return the words of explain that plan the graph whose step was made."""
    graph = options.graph or (options.capture or Path()) / CAPTURED[0]
    captured = step is not None and options.capture is not None
    fetches = step.fetches if step is not None and captured else options.fetches
    shapes = InputShapes("")
    shapes.update({} if step is None else step.shapes)
    return graph_words(graph, fetches, shapes=shapes)


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
