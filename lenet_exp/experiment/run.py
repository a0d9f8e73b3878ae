"""One run, stage by stage: the program's table of contents."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Dict, Iterable, Iterator

import numpy as np

from lenet_exp import tf_compat
from lenet_exp.config.identity import file_hashes
from lenet_exp.config.schema.run import PLAN_FILES, Settings
from lenet_exp.config.tracking import experiment_notices
from lenet_exp.data import mnist
from lenet_exp.errors import stop_if_interrupted
from lenet_exp.experiment import backends
from lenet_exp.experiment.advice import adam_warning, advice
from lenet_exp.experiment.backends import Backend
from lenet_exp.experiment.dataset import load_for
from lenet_exp.experiment.graphs import ChipPlan, build_graphs, plan
from lenet_exp.experiment.identity import identify
from lenet_exp.experiment.initial_state import InitialState, initial_state
from lenet_exp.experiment.summary import Outcome, closing_block
from lenet_exp.record import terminal
from lenet_exp.record.next_steps import compare_command, next_steps
from lenet_exp.record.run import conditions
from lenet_exp.record.run.run_record import Identity, RunRecord, open_record
from lenet_exp.record.store import dead_runs, store_check
from lenet_exp.record.store.lease import FREE, Lease
from lenet_exp.record.store.mlflow_store import Store
from lenet_exp.record.terminal import Progress
from lenet_exp.training import trainer
from lenet_exp.training.history import History
from lenet_exp.training.runner import Runner

_PATIENCE = 60.0  # seconds that a job waits for a server that is being started again
# So a plan's warnings of what a person changed begin.
_OF_CHANGES = tuple(f"{key}:" for key in (*PLAN_FILES, "keep_dtype"))


def run_experiment(
    settings: Settings, folder: Path, tags: Dict[str, str], cores: int = 0, lease: Lease = FREE
) -> float:
    """Train, validate and test as `settings` say, and record it; return the test's accuracy, 0..1.

    What was recorded in `folder`, which holds run.log already, is gone on with. `tags` say what
    the run belongs to: the sweep it is part of, the run that it repeats. `cores`: its share of
    them, where `settings` fix no threads; 0: all. `lease`: of an attempt at a sweep's job.

    Raises:
        LenetExpError: the store, the data or the session can't be used.
    """
    schedule, tracking = settings.schedule, settings.tracking
    uri, stack = store_check.chosen_uri(tracking.uri), tf_compat.stack_of_this_python()
    store_check.check_root(uri, Path.cwd(), stack)
    data = load_for(settings)
    conditions.check_to_go_on(folder, data.sha256, file_hashes(settings), stack)
    configured = tf_compat.configure(hide_gpus=True, deterministic=settings.deterministic)
    configured["tensorflow"] = tf_compat.version()
    progress = Progress(schedule.epochs, schedule.steps_per_epoch)
    with contextlib.closing(progress), backends.claimed(settings, cores) as backend:
        progress.wait_for("planning")
        built = build_graphs(settings)
        stop_if_interrupted()  # TensorFlow's import may have swallowed a Ctrl-C
        chip_plan = plan(settings, built)
        initial = initial_state(settings, folder, built)
        progress.stop_waiting()
        # Not before: what is refused above leaves no store behind.
        store = Store(uri, tracking.experiment, patience=_patience(tags))
        notes = [*data.notes, *experiment_notices(tracking.experiment)]
        others = dead_runs.end_dead_runs(store, folder)
        _say_before(progress, backend, chip_plan, initial, [*notes, *others])
        identity = identify(backend, chip_plan, data.sha256, configured, tags)
        with open_record(store, identity, folder, progress, lease) as record, backend.open_runner(
            built, chip_plan, data.train, initial.checkpoint.history.step, progress.say
        ) as runner:
            initial.restore(runner, record.resumed, progress.say)
            history = _train_and_test(backend, data, runner, record, initial.checkpoint.history)
    _say_result(store, record, _outcome(backend, data, record, identity, history), history)
    return record.accuracy


def _patience(tags: Dict[str, str]) -> float:
    return _PATIENCE if "mlflow.parentRunId" in tags else 0.0


def _say_before(
    progress: Progress,
    backend: Backend,
    chip_plan: ChipPlan,
    initial: InitialState,
    others: Iterable[str],
) -> None:
    """Say what the person should know before the training."""
    begun = initial.checkpoint.path is not None  # and has said it
    for line in [
        *others,
        *backend.notices,
        *([] if begun else warnings_of(backend.settings, chip_plan)),
    ]:
        progress.say(line)


def warnings_of(settings: Settings, chip_plan: ChipPlan) -> Iterator[str]:
    """Yield what can't learn in float16, which of the changes do nothing, what the chip refuses."""
    adam = adam_warning(settings)
    if adam is not None:
        yield f"warning: {adam}"
    for text in chip_plan.step.warnings:
        if text.startswith(_OF_CHANGES):
            yield f"warning: {text}"
    if any(chip_plan.verdict):
        command = f"python -m lenet_exp.explain precision={settings.precision.mode}"
        yield f"warning: on the chip {chip_plan.verdict}\n  why: {command}"


def _train_and_test(
    backend: Backend, data: mnist.Mnist, runner: Runner, record: RunRecord, history: History
) -> History:
    """Make the steps that `history` lacks, and test what they come to; record and return all."""
    try:
        history = _train(backend, data.validation, runner, record, history)
        record.progress.close()
        record.progress.wait_for(f"testing on {len(data.test.labels)} images")
        classes = runner.predict(data.test.images)
    finally:
        record.report(runner.findings())
    record.finish(data.test, classes, history, backend.settings.schedule.batch_size)
    return history


def _train(
    backend: Backend, validation: mnist.Split, runner: Runner, record: RunRecord, history: History
) -> History:
    """Make the epochs that `history` lacks, each followed by a validation; return all of it."""
    schedule, cold = backend.settings.schedule, True
    total = schedule.epochs * schedule.steps_per_epoch
    pauses = (schedule.steps_per_epoch, schedule.checkpoint_every)
    record.progress.wait_for("compiling")
    for stop in trainer.stops(history.step, total, *pauses):
        for window in trainer.train(runner.make_steps, stop - history.step, backend.window):
            history = history.with_window(*window, cold)
            record.window(history)
            cold = False
            stop_if_interrupted()
        if stop % schedule.steps_per_epoch == 0:
            record.progress.wait_for(f"validating on {len(validation.labels)} images")
            right = runner.predict(validation.images) == validation.labels
            history = history.with_validation(float(np.mean(right)))
            record.validation(stop // schedule.steps_per_epoch, history)
        record.checkpoint(history, runner.save)
    return history


def _outcome(
    backend: Backend, data: mnist.Mnist, record: RunRecord, identity: Identity, history: History
) -> Outcome:
    seen = history.step * backend.settings.schedule.batch_size
    return Outcome(
        backend.settings,
        backend.emulates,
        identity.tags["emulated"] == "true",
        backend.device,
        seen < len(data.train.labels),
        len(data.test.labels),
        record.accuracy,
        record.sec_per_step,
        "sweep" in identity.tags,
    )


def _say_result(store: Store, record: RunRecord, outcome: Outcome, history: History) -> None:
    """Print the closing block: what came out, where it is, and what to type next."""
    tracking = outcome.settings.tracking
    folder = str(terminal.short(record.folder))
    todo = record.pending
    if not todo:
        others = not outcome.is_a_look and store.has_others(record.run_id)
        compare = [compare_command(tracking.experiment, tracking.uri)] if others else []
        todo = next_steps(store, store_check.chosen_uri(tracking.uri), *compare)
    advised = advice(outcome, history, conditions.recorded(record.folder).get("command", []))
    record.progress.say(closing_block(outcome, folder, record.run_id, advised, todo))
