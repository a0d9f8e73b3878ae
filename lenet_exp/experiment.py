"""One run, stage by stage: the program's table of contents."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Dict, NamedTuple, Optional

import numpy as np
from omegaconf import OmegaConf

from lenet_exp import tf_compat
from lenet_exp.config.identity import config_hash
from lenet_exp.config.resolve import flatten
from lenet_exp.config.schema import Settings
from lenet_exp.data import download, files, mnist
from lenet_exp.data.batches import batch_indices
from lenet_exp.hardware import cpu
from lenet_exp.model import lenet
from lenet_exp.record import store_check
from lenet_exp.record.mlflow_store import Store
from lenet_exp.record.progress import Progress, fetch_progress
from lenet_exp.record.run_record import Identity, RunRecord, Speed, open_record, say_result
from lenet_exp.training import graphs, timing, trainer
from lenet_exp.training.program import Program, Runner, Steps, assemble

INFERENCE_BATCH = 250  # divides the validation and the test set


class Result(NamedTuple):
    """What a run ends with: accuracy (0..1) on the test set, its id in MLflow."""

    accuracy: float
    run_id: str


def run_experiment(settings: Settings, folder: Path, sweep: Optional[str] = None) -> Result:
    """Train, validate and test as `settings` say, and record it.

    Args:
        settings: the checked settings of this run.
        folder: the run folder; holds run.log already.
        sweep: the name of the sweep this run belongs to.

    Raises:
        LenetExpError: the store, the data or the session can't be used.
    """
    uri = store_check.chosen_uri(settings.tracking.uri)
    store_check.check_root(uri, Path.cwd(), tf_compat.stack_of_this_python())
    store = Store(uri, settings.tracking.experiment)
    data = _load(settings)
    conditions = _configure(settings)
    program = _program(settings)
    threads = cpu.threads_for(settings.threads, settings.deterministic)
    schedule = settings.schedule
    progress = Progress(schedule.epochs, schedule.steps_per_epoch)
    identity = _identity(settings, data.sha256, sweep, {**conditions, "threads": str(threads)})
    with open_record(store, identity, folder, progress) as record, cpu.open_session(
        program.graph, threads
    ) as session:
        runner = Runner(program, session)
        _train(settings, data, runner, record)
        classes = runner.predict(data.test.images)
        speed = Speed(*timing.summarize(record.seconds, record.steps), schedule.batch_size)
        accuracy = record.finish(data.test.labels, classes, speed, runner.save)
    ui = store_check.ui_command(uri)
    say_result(progress, folder, record.run_id, accuracy, speed, ui)
    return Result(accuracy, record.run_id)


def _load(settings: Settings) -> mnist.Mnist:
    """Read the person's own folder, or the verified cache, fetching what is missing there."""
    if settings.data.path is not None:
        return mnist.load(Path(settings.data.path).expanduser())
    folder = files.cache_folder()
    with fetch_progress() as progress:
        download.fetch(folder, progress)
    return mnist.load(folder)


def _configure(settings: Settings) -> Dict[str, str]:
    conditions = tf_compat.configure(hide_gpus=True, deterministic=settings.deterministic)
    return {**conditions, "tensorflow": tf_compat.version()}


def _program(settings: Settings) -> Program:
    """Return the session's graph: the step, the inference, and what is put around them."""
    step = graphs.build_step(
        lenet.logits,
        lenet.IMAGE_SHAPE,
        settings.schedule.batch_size,
        settings.optimizer,
        settings.loss_scale,
        settings.seed,
    )
    inference = graphs.build_inference(lenet.logits, lenet.IMAGE_SHAPE, INFERENCE_BATCH)
    return assemble(step, inference, settings.loss_scale)


def _train(settings: Settings, data: mnist.Mnist, runner: Runner, record: RunRecord) -> None:
    """Make all epochs, each followed by a validation."""
    images, labels = data.train
    schedule = settings.schedule

    def run(step: int, steps: int) -> Steps:
        drawn = batch_indices(settings.seed, len(labels), schedule.batch_size, step, steps)
        return runner.run_steps(images[drawn], labels[drawn])

    window = trainer.window_size(schedule.epochs * schedule.steps_per_epoch)
    for epoch in range(schedule.epochs):
        first = epoch * schedule.steps_per_epoch
        for measured in trainer.train(run, first, first + schedule.steps_per_epoch, window):
            record.window(**measured._asdict())
        right = runner.predict(data.validation.images) == data.validation.labels
        record.validation(epoch + 1, float(np.mean(right)))


def _identity(
    settings: Settings, data_hash: str, sweep: Optional[str], conditions: Dict[str, str]
) -> Identity:
    """Return what MLflow is told about the run before it starts."""
    stack = tf_compat.stack()
    tags = {
        "stack": stack,
        "hardware": cpu.NAME,
        "device": cpu.device(),
        "precision": settings.precision.mode,
        "config_hash": config_hash(settings, data_hash, stack),
        "emulated": "false",  # the one mode that trains today changes no operator
        "data_sha256": data_hash,
        **conditions,
    }
    if sweep is not None:
        tags["sweep"] = sweep
    parts = (settings.precision.mode, settings.loss_scale.name, settings.optimizer.name)
    plain = OmegaConf.to_yaml(OmegaConf.create(dataclasses.asdict(settings)))
    return Identity(f"{'-'.join(parts)}-seed{settings.seed}", flatten(settings), plain, tags)
