"""What is wrong with a run that went wrong, and which command shows why. Pure."""

from __future__ import annotations

import dataclasses
import shlex
from itertools import starmap
from typing import Any, Dict, Iterator, List, Optional, Sequence

import numpy as np

from lenet_exp.config.cli.json_words import argument
from lenet_exp.config.cli.mend import without_lost_keys
from lenet_exp.config.cli.suggest import PROGRAM
from lenet_exp.config.run_words import words_of
from lenet_exp.config.schema.run import (
    PRECISION_FILES,
    Adam,
    FixedLossScale,
    Settings,
    precision_files,
)
from lenet_exp.config.tracking import of_environment
from lenet_exp.experiment.summary import Outcome
from lenet_exp.precision.diagnosis.epsilon import is_lost
from lenet_exp.training.history import History

_GUESSING = 0.2  # an accuracy; who takes every digit for the same one has 0.1
_PROGRAMS = (("python", "-m", "lenet_exp.run"), ("lenet-exp", "run"))
_ADVISE = "python -m lenet_exp.advise"
_DECIDED, _COMPILER = ("precision.mode=", "hardware"), "hardware.cann="  # by the advice; not so
# Those of a chip that a CPU has, too.
_FILES_OF_CHIP = {f"hardware.{key}=": f"precision.{key}=" for key in PRECISION_FILES}
_OTHER_EPSILON = f"{PROGRAM} experiment=force_fp16_adam"


def adam_warning(settings: Settings) -> Optional[str]:
    """Return why Adam can't learn in float16 as it is set, None where it can."""
    optimizer, mode = settings.optimizer, settings.precision.mode
    if mode != "force_fp16" or not isinstance(optimizer, Adam):
        return None
    if not is_lost(optimizer.epsilon, settings.precision.flush_subnormals):
        return None
    return (
        f"force_fp16 runs Adam in float16, where epsilon {optimizer.epsilon:g} is 0"
        f" and a small gradient's square too\n  try: {_OTHER_EPSILON}"
    )


def advice(outcome: Outcome, history: History, command: Sequence[str]) -> List[str]:
    """Return at most three lines: what is wrong, and what shows why; none where nothing is.

    `command`: what was typed; of a sweep it makes other runs, too.
    """
    settings, command = outcome.settings, [] if outcome.in_sweep else command
    wrong = list(_wrong(history, outcome))[:1]  # what follows from it is no other fault
    if not wrong:
        return []
    if adam_warning(settings) is not None:
        kept = f"or its update stays float32: {_advise(settings, _modes(settings))}"
        return [*wrong, f"Adam's epsilon is 0 in float16; try: {_OTHER_EPSILON}", kept]
    if settings.precision.trace_overflow:
        return [*wrong, "which operator overflowed: overflows.txt in the folder"]
    if settings.precision.mode == "must_keep_origin_dtype":
        rate = f"optimizer.learning_rate={settings.optimizer.learning_rate / 10:g}"
        return [*wrong, f"nothing is float16 here; try: {_changed(settings, command, rate)}"]
    on_a_cpu = [] if outcome.on_cpu else ["hardware=cpu"]
    traced = _changed(settings, command, "precision.trace_overflow=true", *on_a_cpu)
    return [*wrong, _instead(settings, history), f"which operator overflows: {traced}"]


def _instead(settings: Settings, history: History) -> str:
    """Return the command that finds what trains."""
    if isinstance(settings.loss_scale, FixedLossScale) and 2 * history.skipped.sum() > history.step:
        return f"which loss scales do: {_advise(settings, _modes(settings))}"
    return f"what trains instead: {_advise(settings)}"


def _modes(settings: Settings) -> str:
    return f"modes={settings.precision.mode}"


def _advise(settings: Settings, *words: str) -> str:
    """Return the command that advises on this network, as it was trained: not on another one."""
    named = precision_files(settings).items()
    files: Dict[str, Any] = {key: str(path) for key, path in named if key in PRECISION_FILES}
    precision = dataclasses.replace(settings.precision, **files)  # a chip's too: advise has none
    own = words_of(dataclasses.replace(settings, precision=precision), ["loss_scale"])
    kept = [each for each in own if not each.startswith(_DECIDED) or each.startswith(_COMPILER)]
    return " ".join([_ADVISE, *words, *map(shlex.quote, kept)])


def _wrong(history: History, outcome: Outcome) -> Iterator[str]:
    skipped = int(history.skipped.sum())
    if not np.isfinite(history.losses[-1]):
        first = int(np.argmin(np.isfinite(history.losses))) + 1
        yield f"the training diverged: the loss of step {first} is no number"
    if skipped and 2 * skipped >= history.step:
        yield f"{skipped} of {history.step} steps were skipped: their gradients overflowed"
    elif outcome.accuracy < _GUESSING and not outcome.is_a_look:
        yield f"accuracy {outcome.accuracy:.4f} is no better than guessing"


def _changed(settings: Settings, command: Sequence[str], *words: str) -> str:
    """Return a command of one run with these words instead of its own; of others, the words.

    In a shell without this one's variables it records in the same place.
    """
    program = next((each for each in _PROGRAMS if each == (*command[: len(each)],)), ())
    if not program:
        return " ".join(words)
    given = command[len(program) :]
    if "hardware=cpu" in words:
        given = [_of_a_cpu(word) for word in given]
    keys = ("hydra.run.dir", *(word.partition("=")[0] for word in words))
    kept = [word for word in given if word.partition("=")[0] not in keys]
    store = of_environment(settings.tracking.experiment, kept)
    line = [*program, *without_lost_keys([*kept, *words], words)]
    return " ".join([*map(shlex.quote, line), *starmap(argument, store.items())])


def _of_a_cpu(word: str) -> str:
    """Return the word by which a CPU imitates what a chip was told."""
    key, equals, value = word.partition("=")
    return _FILES_OF_CHIP.get(key + equals, key + equals) + value
