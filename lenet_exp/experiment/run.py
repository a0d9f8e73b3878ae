"""One run, stage by stage: the program's table of contents."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, NamedTuple, Optional, Tuple

import numpy as np
from omegaconf import OmegaConf

from lenet_exp import tf_compat
from lenet_exp.config.checkpoint_path import prefix_named
from lenet_exp.config.compose import flatten
from lenet_exp.config.identity import config_hash, file_hashes, named_files, start_hash
from lenet_exp.config.schema.run import Adam, Settings
from lenet_exp.data import download, files, mnist
from lenet_exp.errors import stop_if_interrupted
from lenet_exp.experiment import backends
from lenet_exp.experiment.backends import Machine, MakeSteps
from lenet_exp.experiment.graphs import ChipPlan, Graphs, build_graphs, emulated, has_float16, plan
from lenet_exp.experiment.traced import make_runner, traced
from lenet_exp.model import weights
from lenet_exp.precision.reporting.verdict import Verdict
from lenet_exp.record.run import checkpoints, conditions
from lenet_exp.record.run.run_record import Identity, RunRecord, Speed, open_record, say_result
from lenet_exp.record.store import dead_runs, store_check
from lenet_exp.record.store.mlflow_store import Store
from lenet_exp.record.terminal import Progress, fetch_progress
from lenet_exp.training import timing, trainer, warm_start
from lenet_exp.training.history import History
from lenet_exp.training.program import Program, Runner, assemble

PLAN_FILE = "precision.csv"
_LEAST_EPSILON = 2.0**-24  # float16's least subnormal


class Result(NamedTuple):
    """What a run ends with: accuracy (0..1) on the test set, its id in MLflow."""

    accuracy: float
    run_id: str


def run_experiment(
    settings: Settings, folder: Path, tags: Dict[str, str], cores: int = 0
) -> Result:
    """Train, validate and test as `settings` say, and record it.

    Args:
        settings: the checked settings of this run.
        folder: the run folder; holds run.log already. What was recorded there is gone on with.
        tags: what this run belongs to: the sweep it is part of, the run that it repeats.
        cores: this run's share of them, where `settings` fix no threads; 0: all.

    Raises:
        LenetExpError: the store, the data or the session can't be used.
    """
    uri, stack = store_check.chosen_uri(settings.tracking.uri), tf_compat.stack_of_this_python()
    store_check.check_root(uri, Path.cwd(), stack)
    store = Store(uri, settings.tracking.experiment)
    data = load_data(settings.data.path)
    conditions.check_to_go_on(folder, data.sha256, file_hashes(settings), stack)
    configured = _configure(settings)
    with backends.claimed(settings, cores) as machine:
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
    start = None if found.path else _start(settings, built)
    of_others = dead_runs.end_dead_runs(store, folder)
    progress = _first_lines(settings, chip, found, [*of_others, *machine.said])
    configured["threads"] = str(machine.threads)
    identity = _identity(settings, data.sha256, tags, configured, chip, machine)
    with open_record(store, identity, folder, progress) as record, backends.opened(
        settings,
        machine,
        lambda: _on_cpu(settings, built, chip),
        data.train,
        found.history.step,
        progress.say,
    ) as (runner, make_steps):
        history = _restore(found, start, runner, record, progress)
        with traced(runner, record):
            history = _train(settings, data, machine, (runner, make_steps), record, history)
            classes = runner.predict(data.test.images)
        speed = Speed(*timing.summarize(history), settings.schedule.batch_size)
        accuracy = record.finish(*data.test, classes, speed, history)
    ui = store_check.ui_command(store_check.chosen_uri(settings.tracking.uri))
    say_result(progress, folder, record, accuracy, speed, ui)
    return Result(accuracy, record.run_id)


def _on_cpu(
    settings: Settings, built: Graphs, chip: ChipPlan
) -> Tuple[Program, Callable[[Any], Runner]]:
    """Return the program that imitates the chip, and what runs it in a session."""
    precision = settings.precision
    graphs = emulated(built, chip, precision.trace_overflow, precision.flush_subnormals)
    program = assemble(*graphs, settings.loss_scale)
    traces = (graphs.step.traces, graphs.inference.traces)
    return program, lambda session: make_runner(program, session, *traces)


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


def _start(settings: Settings, built: Graphs) -> Optional[warm_start.Start]:
    """Return what the network starts from, if it is a checkpoint."""
    prefix = prefix_named(settings.init_from) if settings.init_from else None
    if prefix is None:
        return None
    saved = {name: value.shape for name, value in weights.read(prefix).items()}
    return warm_start.choose(str(prefix), saved, built.inference.variables, settings.exclude)


def _restore(
    found: checkpoints.Found,
    start: Optional[warm_start.Start],
    runner: Runner,
    record: RunRecord,
    progress: Progress,
) -> History:
    """Set the variables as a checkpoint has them; return what was done before."""
    for problem in found.damaged:
        progress.say(problem)
    if found.path is not None:
        runner.restore(found.prefix)
        progress.say(f"goes on after step {found.history.step}")
    elif record.resumed:
        progress.say("begins anew: it was interrupted before its first checkpoint")
    if start is not None:
        runner.start_from(start.prefix, start.names)
        progress.say(str(start))
    return found.history


def load_data(path: Optional[str]) -> mnist.Mnist:
    """Read the person's own folder, or the verified cache, fetching what is missing there."""
    if path is not None:
        return mnist.load(Path(path).expanduser())
    folder = files.cache_folder()
    with fetch_progress() as progress:
        download.fetch(folder, progress)
    return mnist.load(folder)


def _configure(settings: Settings) -> Dict[str, str]:
    configured = tf_compat.configure(hide_gpus=True, deterministic=settings.deterministic)
    return {**configured, "tensorflow": tf_compat.version()}


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
        "emulated": str(machine.emulates and has_float16(chip)).lower(),
        "data_sha256": data_hash,
        "chip": str(chip.verdict),
        **{key: sha256[:12] for key, sha256 in file_hashes(settings).items()},
        **configured,
    }
    parts = (settings.precision.mode, settings.loss_scale.name, settings.optimizer.name)
    plain = OmegaConf.to_yaml(OmegaConf.create(dataclasses.asdict(settings)))
    name = f"{'-'.join(parts)}-seed{settings.seed}"
    hashes = {**file_hashes(settings), **start_hash(settings)}
    kept = conditions.files(data_hash, machine.device, configured, hashes)
    kept.update({PLAN_FILE: chip.csv, **named_files(settings)})
    return Identity(name, flatten(settings), plain, tags, kept)
