"""One run, stage by stage: the program's table of contents."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Dict, Iterable, NamedTuple, Tuple

import numpy as np
from omegaconf import OmegaConf

from lenet_exp import machines, tf_compat
from lenet_exp.config.identity import config_hash
from lenet_exp.config.resolve import flatten
from lenet_exp.config.schema import Adam, Settings
from lenet_exp.data import download, files, mnist
from lenet_exp.errors import PrecisionError, stop_if_interrupted
from lenet_exp.history import History
from lenet_exp.machines import INFERENCE_BATCH, Machine, MakeSteps
from lenet_exp.model import lenet
from lenet_exp.precision import Plan, assign, emulate, report
from lenet_exp.precision.verdict import Verdict, verdict
from lenet_exp.record import checkpoints, conditions, dead_runs, store_check
from lenet_exp.record.mlflow_store import Store
from lenet_exp.record.progress import Progress, fetch_progress
from lenet_exp.record.run_record import Identity, RunRecord, Speed, open_record, say_result
from lenet_exp.training import graphs, timing, trainer
from lenet_exp.training.program import Runner, assemble

PLAN_FILE = "precision.csv"
_LEAST_EPSILON = 2.0**-24  # float16's least subnormal


class Graphs(NamedTuple):
    """What a precision mode acts on, the inference of test and validation included."""

    step: graphs.StepGraph
    inference: graphs.InferenceGraph


class ChipPlan(NamedTuple):
    """What the chip would do: `csv` a row for each operator of both graphs."""

    step: Plan
    inference: Plan
    csv: bytes
    verdict: Verdict


class Result(NamedTuple):
    """What a run ends with: accuracy (0..1) on the test set, its id in MLflow."""

    accuracy: float
    run_id: str


def run_experiment(settings: Settings, folder: Path, tags: Dict[str, str]) -> Result:
    """Train, validate and test as `settings` say, and record it.

    Args:
        settings: the checked settings of this run.
        folder: the run folder; holds run.log already. What was recorded there is gone on with.
        tags: what this run belongs to: the sweep it is part of, the run that it repeats.

    Raises:
        LenetExpError: the store, the data or the session can't be used.
    """
    uri = store_check.chosen_uri(settings.tracking.uri)
    store_check.check_root(uri, Path.cwd(), tf_compat.stack_of_this_python())
    store = Store(uri, settings.tracking.experiment)
    data = _load(settings)
    conditions.check_to_go_on(folder, data.sha256, tf_compat.stack_of_this_python())
    configured = _configure(settings)
    with machines.claimed(settings) as machine:
        return _run(settings, folder, tags, store, data, configured, machine)


def _run(
    settings: Settings,
    folder: Path,
    tags: Dict[str, str],
    store: Store,
    data: mnist.Mnist,
    configured: Dict[str, str],
    machine: Machine,
) -> Result:
    """Plan, train and test on `machine`, and record it."""
    built = build_graphs(settings)
    stop_if_interrupted()  # TensorFlow's import may have swallowed a Ctrl-C
    chip = plan(settings, built)
    found = checkpoints.newest(folder)
    of_others = dead_runs.end_dead_runs(store, folder)
    progress = _first_lines(settings, chip, found, [*of_others, *machine.said])
    configured["threads"] = str(machine.threads)
    identity = _identity(settings, data.sha256, tags, configured, chip, machine)
    with open_record(store, identity, folder, progress) as record, machines.opened(
        settings,
        machine,
        lambda: assemble(*emulated(built, chip), settings.loss_scale),
        data.train,
        found.history.step,
        progress.say,
    ) as (runner, make_steps):
        history = _restore(found, runner, record, progress)
        history = _train(settings, data, machine, (runner, make_steps), record, history)
        classes = runner.predict(data.test.images)
        speed = Speed(*timing.summarize(history), settings.schedule.batch_size)
        accuracy = record.finish(*data.test, classes, speed, history)
    ui = store_check.ui_command(store_check.chosen_uri(settings.tracking.uri))
    say_result(progress, folder, record, accuracy, speed, ui)
    return Result(accuracy, record.run_id)


def _first_lines(
    settings: Settings, chip: ChipPlan, found: checkpoints.Found, of_others: Iterable[str]
) -> Progress:
    """Say what the person should know before the training; return what shows the rest."""
    schedule = settings.schedule
    progress = Progress(schedule.epochs, schedule.steps_per_epoch, found.history.step)
    for line in of_others:
        progress.say(line)
    if found.path is None:  # a resumed run has said it
        _warn(chip.verdict, settings, progress)
    return progress


def _restore(
    found: checkpoints.Found, runner: Runner, record: RunRecord, progress: Progress
) -> History:
    """Set the variables as the checkpoint has them; return what was done before."""
    for problem in found.damaged:
        progress.say(problem)
    if found.path is not None:
        runner.restore(found.prefix)
        progress.say(f"goes on after step {found.history.step}")
    elif record.resumed:
        progress.say("begins anew: it was interrupted before its first checkpoint")
    return found.history


def _load(settings: Settings) -> mnist.Mnist:
    """Read the person's own folder, or the verified cache, fetching what is missing there."""
    if settings.data.path is not None:
        return mnist.load(Path(settings.data.path).expanduser())
    folder = files.cache_folder()
    with fetch_progress() as progress:
        download.fetch(folder, progress)
    return mnist.load(folder)


def _configure(settings: Settings) -> Dict[str, str]:
    configured = tf_compat.configure(hide_gpus=True, deterministic=settings.deterministic)
    return {**configured, "tensorflow": tf_compat.version()}


def build_graphs(settings: Settings) -> Graphs:
    """Return the graphs of a run as the chip's compiler is given them."""
    step = graphs.build_step(
        lenet.logits,
        lenet.IMAGE_SHAPE,
        settings.schedule.batch_size,
        settings.optimizer,
        settings.loss_scale,
        settings.seed,
    )
    return Graphs(step, graphs.build_inference(lenet.logits, lenet.IMAGE_SHAPE, INFERENCE_BATCH))


def plan(settings: Settings, built: Graphs) -> ChipPlan:
    """Decide every operator of both graphs, as the chip would.

    Raises:
        PrecisionError: the chip would not compile them, and `hardware.on_refused` is error.
    """
    mode, generation = settings.precision.mode, settings.hardware.cann
    asked: Tuple[Tuple[object, Tuple[str, ...]], ...] = (
        (built.step.graph_def, built.step.fetches),
        (built.inference.graph_def, (built.inference.classes,)),
    )
    plans = [assign(graph, mode, generation=generation, fetches=names) for graph, names in asked]
    found = verdict(plans)
    if found.refused and settings.hardware.on_refused == "error":
        problem = f"the chip refuses to compile this graph ({found})"
        remedy = "python -m lenet_exp.run hardware.on_refused=warn, or another precision mode"
        raise PrecisionError(f"precision={mode}", problem, remedy)
    rows = {"train": report.report(plans[0]), "inference": report.report(plans[1])}
    return ChipPlan(plans[0], plans[1], report.as_csv_of_run(rows).encode(), found)


def _has_float16(chip: ChipPlan) -> bool:
    rows = (*chip.step.operators, *chip.inference.operators)
    return any("float16" in (*row.inputs, *row.outputs) for row in rows)


def emulated(built: Graphs, chip: ChipPlan) -> Graphs:
    """Return the graphs as the CPU runs them: float16 where the chip would have it."""
    step, inference = built
    made = emulate(step.graph_def, chip.step)
    return Graphs(
        step._replace(
            graph_def=made.graph_def,
            variables=(*step.variables, made.float_status),
            init=(*step.init, made.reset),
        ),
        inference._replace(graph_def=emulate(inference.graph_def, chip.inference).graph_def),
    )


def _warn(found: Verdict, settings: Settings, progress: Progress) -> None:
    """Say what the chip would not run as it is, and what can't learn in float16."""
    optimizer, mode = settings.optimizer, settings.precision.mode
    if mode == "force_fp16" and isinstance(optimizer, Adam) and optimizer.epsilon < _LEAST_EPSILON:
        progress.say(
            f"warning: force_fp16 runs Adam in float16, where epsilon {optimizer.epsilon:g} is 0"
            " and a small gradient's square too\n"
            "  try: python -m lenet_exp.run experiment=force_fp16_adam"
        )
    if any(found):
        command = f"python -m lenet_exp.explain precision={settings.precision.mode}"
        progress.say(f"warning: on the chip {found}\n  why: {command}")


def _train(
    settings: Settings,
    data: mnist.Mnist,
    machine: Machine,
    opened: Tuple[Runner, MakeSteps],
    record: RunRecord,
    history: History,
) -> History:
    """Make the epochs that `history` lacks, each followed by a validation; return all of it."""
    schedule, cold, (runner, make_steps) = settings.schedule, True, opened
    total = schedule.epochs * schedule.steps_per_epoch
    pauses = (schedule.steps_per_epoch, schedule.checkpoint_every)
    for stop in trainer.stops(history.step, total, *pauses):
        for window in trainer.train(
            make_steps, history.step, stop, machine.window, longest_call=machine.longest_call
        ):
            history = history.with_window(window, cold)
            record.window(history)
            cold = False
            stop_if_interrupted()
        if stop % schedule.steps_per_epoch == 0:
            right = runner.predict(data.validation.images) == data.validation.labels
            history = history.with_validation(float(np.mean(right)))
            record.validation(stop // schedule.steps_per_epoch, history)
        record.checkpoint(history, runner.save)
    return history


def _identity(
    settings: Settings,
    data_hash: str,
    tags: Dict[str, str],
    configured: Dict[str, str],
    chip: ChipPlan,
    machine: Machine,
) -> Identity:
    """Return what MLflow is told about the run before it starts."""
    stack = tf_compat.stack()
    tags = {
        **tags,
        "stack": stack,
        "hardware": machine.name,
        "device": machine.device,
        "precision": settings.precision.mode,
        "config_hash": config_hash(settings, data_hash, stack),
        "emulated": str(machine.emulates and _has_float16(chip)).lower(),
        "data_sha256": data_hash,
        "chip": str(chip.verdict),
        **configured,
    }
    parts = (settings.precision.mode, settings.loss_scale.name, settings.optimizer.name)
    plain = OmegaConf.to_yaml(OmegaConf.create(dataclasses.asdict(settings)))
    name = f"{'-'.join(parts)}-seed{settings.seed}"
    kept = conditions.files(data_hash, machine.device, configured)
    return Identity(name, flatten(settings), plain, tags, {**kept, PLAN_FILE: chip.csv})
