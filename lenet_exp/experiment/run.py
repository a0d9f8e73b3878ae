"""One run, stage by stage: the program's table of contents."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Dict, Iterable, Iterator

import numpy as np

from lenet_exp import tf_compat
from lenet_exp.config.identity import file_hashes
from lenet_exp.config.schema.run import Adam, Settings
from lenet_exp.config.tracking import experiment_notices
from lenet_exp.data import mnist
from lenet_exp.errors import stop_if_interrupted
from lenet_exp.experiment import backends
from lenet_exp.experiment.backends import Backend
from lenet_exp.experiment.dataset import load_data
from lenet_exp.experiment.graphs import ChipPlan, build_graphs, plan
from lenet_exp.experiment.identity import identify
from lenet_exp.experiment.initial_state import InitialState, initial_state
from lenet_exp.record.run import conditions
from lenet_exp.record.run.run_record import RunRecord, open_record
from lenet_exp.record.store import dead_runs, store_check
from lenet_exp.record.store.mlflow_store import Store
from lenet_exp.record.terminal import Progress
from lenet_exp.training import trainer
from lenet_exp.training.history import History
from lenet_exp.training.runner import Runner

_LEAST_EPSILON = 2.0**-24  # float16's least subnormal


def run_experiment(settings: Settings, folder: Path, tags: Dict[str, str], cores: int = 0) -> float:
    """Train, validate and test as `settings` say, and record it; return the test's accuracy, 0..1.

    What was recorded in `folder`, which holds run.log already, is gone on with. `tags` say what
    the run belongs to: the sweep it is part of, the run that it repeats. `cores`: its share of
    them, where `settings` fix no threads; 0: all.

    Raises:
        LenetExpError: the store, the data or the session can't be used.
    """
    uri, stack = store_check.chosen_uri(settings.tracking.uri), tf_compat.stack_of_this_python()
    store_check.check_root(uri, Path.cwd(), stack)
    store = Store(uri, settings.tracking.experiment)
    data = load_data(settings.data.path)
    conditions.check_to_go_on(folder, data.sha256, file_hashes(settings), stack)
    configured = tf_compat.configure(hide_gpus=True, deterministic=settings.deterministic)
    configured["tensorflow"] = tf_compat.version()
    with backends.claimed(settings, cores) as backend:
        built = build_graphs(settings)
        stop_if_interrupted()  # TensorFlow's import may have swallowed a Ctrl-C
        chip_plan = plan(settings, built)
        initial = initial_state(settings, folder, built)
        known = experiment_notices(settings.tracking.experiment)
        others = itertools.chain(known, dead_runs.end_dead_runs(store, folder))
        progress = _progress(backend, chip_plan, initial, others)
        identity = identify(backend, chip_plan, data.sha256, configured, tags)
        with open_record(store, identity, folder, progress) as record, backend.open_runner(
            built, chip_plan, data.train, initial.checkpoint.history.step, progress.say
        ) as runner:
            initial.restore(runner, record.resumed, progress.say)
            _train_and_test(backend, data, runner, record, initial.checkpoint.history)
    record.say_result(store_check.ui_command(uri))
    return record.accuracy


def _progress(
    backend: Backend, chip_plan: ChipPlan, initial: InitialState, others: Iterable[str]
) -> Progress:
    """Say what the person should know before the training; return what shows the rest."""
    schedule = backend.settings.schedule
    done = initial.checkpoint.history.step
    progress = Progress(schedule.epochs, schedule.steps_per_epoch, done)
    begun = initial.checkpoint.path is not None  # and has said it
    for line in [*others, *backend.notices, *([] if begun else _warnings(backend, chip_plan))]:
        progress.say(line)
    return progress


def _warnings(backend: Backend, chip_plan: ChipPlan) -> Iterator[str]:
    """Yield what the chip would not run as it is, and what can't learn in float16."""
    optimizer, mode = backend.settings.optimizer, backend.settings.precision.mode
    if mode == "force_fp16" and isinstance(optimizer, Adam) and optimizer.epsilon < _LEAST_EPSILON:
        yield (
            f"warning: force_fp16 runs Adam in float16, where epsilon {optimizer.epsilon:g} is 0"
            " and a small gradient's square too\n"
            "  try: python -m lenet_exp.run experiment=force_fp16_adam"
        )
    if any(chip_plan.verdict):
        command = f"python -m lenet_exp.explain precision={mode}"
        yield f"warning: on the chip {chip_plan.verdict}\n  why: {command}"


def _train_and_test(
    backend: Backend, data: mnist.Mnist, runner: Runner, record: RunRecord, history: History
) -> None:
    """Make the steps that `history` lacks, and test what they come to; record all of it."""
    try:
        history = _train(backend, data.validation, runner, record, history)
        classes = runner.predict(data.test.images)
    finally:
        record.report(runner.findings())
    record.finish(data.test, classes, history, backend.settings.schedule.batch_size)


def _train(
    backend: Backend, validation: mnist.Split, runner: Runner, record: RunRecord, history: History
) -> History:
    """Make the epochs that `history` lacks, each followed by a validation; return all of it."""
    schedule, cold = backend.settings.schedule, True
    total = schedule.epochs * schedule.steps_per_epoch
    pauses = (schedule.steps_per_epoch, schedule.checkpoint_every)
    for stop in trainer.stops(history.step, total, *pauses):
        for window in trainer.train(runner.make_steps, stop - history.step, backend.window):
            history = history.with_window(*window, cold)
            record.window(history)
            cold = False
            stop_if_interrupted()
        if stop % schedule.steps_per_epoch == 0:
            right = runner.predict(validation.images) == validation.labels
            history = history.with_validation(float(np.mean(right)))
            record.validation(stop // schedule.steps_per_epoch, history)
        record.checkpoint(history, runner.save)
    return history
