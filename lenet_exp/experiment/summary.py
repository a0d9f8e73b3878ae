"""A run in two lines before it begins, and in a block at its end. Imports no TensorFlow."""

from __future__ import annotations

from typing import NamedTuple, Sequence

from lenet_exp import tf_compat
from lenet_exp.config.chip import machine
from lenet_exp.config.schema.run import Schedule, Settings
from lenet_exp.hardware import cpu
from lenet_exp.record.store import store_check

_FLOAT32 = "must_keep_origin_dtype"


def announcement(settings: Settings) -> str:
    """Return what will run: how, where, and where it is recorded."""
    loss_scale, optimizer = settings.loss_scale.name, settings.optimizer.name
    mode = settings.precision.mode
    what = f"{mode}, loss_scale {loss_scale}, {optimizer}, seed {settings.seed}"
    emulated = ", float16 emulated" if mode != _FLOAT32 and not on_chip(settings) else ""
    return f"{what}: {described(settings.schedule)}\n  {store_and_device(settings)}{emulated}"


def store_and_device(settings: Settings) -> str:
    """Return where a run is made, and recorded."""
    device = "an Ascend 910" if on_chip(settings) else f"this CPU ({cpu.device()})"
    tracking = settings.tracking
    store = store_check.shown(tracking.uri, tf_compat.stack_of_this_python())
    return f"recorded in {store}, experiment {tracking.experiment}; on {device}"


def on_chip(settings: Settings) -> bool:
    """Return whether a run of these settings is the chip's on this machine."""
    return machine.found(settings.hardware.name) != "cpu"


def described(schedule: Schedule) -> str:
    """Return a schedule as it is read."""
    return f"{schedule.epochs} x {schedule.steps_per_epoch} steps of {schedule.batch_size} images"


class Outcome(NamedTuple):
    """What came out of a run.

    `on_cpu`: not on a chip; `emulated`: float16 was imitated there; `is_a_look`: the training did
    not see every image once; `in_sweep`: it is a job of a sweep.
    """

    settings: Settings
    on_cpu: bool
    emulated: bool
    device: str
    is_a_look: bool
    test_images: int
    accuracy: float
    sec_per_step: float
    in_sweep: bool = False


def closing_block(
    outcome: Outcome, folder: str, run_id: str, advised: Sequence[str], next_lines: Sequence[str]
) -> str:
    """Return the block.

    Args:
        outcome: what came out.
        folder: the run's, as it is typed.
        run_id: the run's.
        advised: what is wrong, and the command that shows why; nothing where all is well.
        next_lines: what can be typed or opened as it stands.
    """
    of_cpu = ", this CPU's and no chip's" if outcome.emulated else ""
    look = ": a look, not a training" if outcome.is_a_look else ""
    lines = [
        f"mode     {outcome.settings.precision.mode}, {_where(outcome)}",
        f"schedule {described(outcome.settings.schedule)}{look}",
        f"accuracy {outcome.accuracy:.4f} on all {outcome.test_images} test images",
        f"sec/step {outcome.sec_per_step:.5f}{of_cpu}",
        f"folder   {folder}",
        f"page     {folder}/report.html",
        f"run      {run_id}",
    ]
    parts = [lines, advised, next_lines]
    return "\n" + "\n\n".join("\n".join(f"  {line}" for line in part) for part in parts if part)


def _where(outcome: Outcome) -> str:
    if not outcome.on_cpu:
        return f"on {outcome.device}"
    return "float16 emulated on this CPU" if outcome.emulated else "on this CPU"
