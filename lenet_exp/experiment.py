"""One run, stage by stage: the program's table of contents."""

from __future__ import annotations

import dataclasses
import functools
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, NamedTuple, Optional

import numpy as np
from omegaconf import OmegaConf

from lenet_exp import tf_compat
from lenet_exp.config.checkpoint_path import prefix_named
from lenet_exp.config.identity import config_hash, file_hashes, named_files
from lenet_exp.config.resolve import flatten
from lenet_exp.config.schema import Adam, Settings
from lenet_exp.data import download, files, mnist
from lenet_exp.data.batches import batch_indices
from lenet_exp.errors import PrecisionError, stop_if_interrupted
from lenet_exp.forensics import TracedRunner
from lenet_exp.hardware import cpu
from lenet_exp.history import History
from lenet_exp.model import lenet, weights
from lenet_exp.precision import Plan, assign, emulate, report
from lenet_exp.precision.request import nodes_of
from lenet_exp.precision.verdict import Verdict, verdict
from lenet_exp.record import checkpoints, conditions, dead_runs, store_check
from lenet_exp.record.mlflow_store import Store
from lenet_exp.record.progress import Progress, fetch_progress
from lenet_exp.record.run_record import Identity, RunRecord, Speed, open_record, say_result
from lenet_exp.training import graphs, timing, trainer, warm_start
from lenet_exp.training.program import Program, Runner, Steps, assemble

INFERENCE_BATCH = 250  # divides the validation and the test set
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
    built = build_graphs(settings)
    stop_if_interrupted()  # TensorFlow's import may have swallowed a Ctrl-C
    chip = plan(settings, built)
    precision = settings.precision
    run = emulated(built, chip, precision.trace_overflow, precision.flush_subnormals)
    program = assemble(*run, settings.loss_scale)
    threads = cpu.threads_for(settings.threads, settings.deterministic, cores)
    found = checkpoints.newest(folder)
    start = None if found.path else _start(settings, built)
    progress = _first_lines(settings, chip, found, dead_runs.end_dead_runs(store, folder))
    configured["threads"] = str(threads)
    identity = _identity(settings, data.sha256, tags, configured, chip)
    with open_record(store, identity, folder, progress) as record, cpu.open_session(
        program.graph, threads
    ) as session:
        runner = make_runner(run, program, session)
        history = _restore(found, start, runner, record, progress)
        with runner.told(record) if isinstance(runner, TracedRunner) else nullcontext():
            history = _train(settings, data, runner, record, history)
            classes = runner.predict(data.test.images)
        speed = Speed(*timing.summarize(history), settings.schedule.batch_size)
        accuracy = record.finish(*data.test, classes, speed, history)
    say_result(progress, folder, record, accuracy, speed, store_check.ui_command(uri))
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
    precision, inference = settings.precision, built.inference.graph_def
    decide = functools.partial(
        assign,
        mode=precision.mode,
        generation=settings.hardware.cann,
        modify_mixlist=_path(precision.modify_mixlist),
        customize_dtypes=_path(precision.customize_dtypes),
    )
    # What keeps its type may be of the backward pass or the optimizer, which inference lacks.
    kept = [name for name in precision.keep_dtype if nodes_of(inference, name)]
    plans = [
        decide(built.step.graph_def, fetches=built.step.fetches, keep_dtype=precision.keep_dtype),
        decide(inference, fetches=(built.inference.classes,), keep_dtype=kept),
    ]
    found = verdict(plans)
    if found.refused and settings.hardware.on_refused == "error":
        problem = f"the chip refuses to compile this graph ({found})"
        remedy = "python -m lenet_exp.run hardware.on_refused=warn, or another precision mode"
        raise PrecisionError(f"precision={precision.mode}", problem, remedy)
    rows = {"train": report.report(plans[0]), "inference": report.report(plans[1])}
    return ChipPlan(plans[0], plans[1], report.as_csv_of_run(rows).encode(), found)


def _path(name: Optional[str]) -> Optional[Path]:
    return None if name is None else Path(name).expanduser()


def _has_float16(chip: ChipPlan) -> bool:
    rows = (*chip.step.operators, *chip.inference.operators)
    return any("float16" in (*row.inputs, *row.outputs) for row in rows)


def emulated(built: Graphs, chip: ChipPlan, trace: bool = False, flush: bool = False) -> Graphs:
    """Return the graphs as the CPU runs them: float16 where the chip would have it."""
    step, inference = built
    made = emulate(step.graph_def, chip.step, trace=trace, flush_subnormals=flush)
    other = emulate(
        inference.graph_def, chip.inference, trace=trace, trace_scope="trace_inference",
        flush_subnormals=flush,
    )  # fmt: skip
    return Graphs(
        step._replace(
            graph_def=made.graph_def,
            variables=(*step.variables, made.float_status),
            init=(*step.init, made.reset),
            traces=made.traces,
        ),
        inference._replace(graph_def=other.graph_def, traces=other.traces),
    )


def make_runner(run: Graphs, program: Program, session: Any) -> Runner:
    """Return what runs the program, step by step if its graphs have counters."""
    if run.step.traces is None:
        return Runner(program, session)
    traces = {"train": run.step.traces, "inference": run.inference.traces}
    return TracedRunner(program, session, traces)


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


def stepper(settings: Settings, train: mnist.Split, runner: Runner) -> Callable[[int, int], Steps]:
    """Return what makes k steps from a step on: draws their batches, and runs them."""
    images, labels = train

    def run(step: int, steps: int) -> Steps:
        drawn = batch_indices(settings.seed, len(labels), settings.schedule.batch_size, step, steps)
        return runner.run_steps(images[drawn], labels[drawn])

    return run


def _train(
    settings: Settings, data: mnist.Mnist, runner: Runner, record: RunRecord, history: History
) -> History:
    """Make the epochs that `history` lacks, each followed by a validation; return all of it."""
    schedule, run = settings.schedule, stepper(settings, data.train, runner)
    size, cold = trainer.window_size(schedule.steps_per_epoch, asked=schedule.log_every), True
    total = schedule.epochs * schedule.steps_per_epoch
    pauses = (schedule.steps_per_epoch, schedule.checkpoint_every)
    for stop in trainer.stops(history.step, total, *pauses):
        for window in trainer.train(run, history.step, stop, size):
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
) -> Identity:
    """Return what MLflow is told about the run before it starts."""
    stack = tf_compat.stack()
    tags = {
        **tags,
        "stack": stack,
        "hardware": cpu.NAME,
        "device": cpu.device(),
        "precision": settings.precision.mode,
        "config_hash": config_hash(settings, data_hash, stack),
        "emulated": str(_has_float16(chip)).lower(),
        "data_sha256": data_hash,
        "chip": str(chip.verdict),
        **configured,
    }
    parts = (settings.precision.mode, settings.loss_scale.name, settings.optimizer.name)
    plain = OmegaConf.to_yaml(OmegaConf.create(dataclasses.asdict(settings)))
    name = f"{'-'.join(parts)}-seed{settings.seed}"
    kept = conditions.files(data_hash, cpu.device(), configured, file_hashes(settings))
    kept.update({PLAN_FILE: chip.csv, **named_files(settings)})
    return Identity(name, flatten(settings), plain, tags, kept)
