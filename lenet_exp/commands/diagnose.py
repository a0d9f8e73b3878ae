"""One step of a network -> the error of every operator, by damage."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Tuple

from lenet_exp import tf_compat
from lenet_exp.config.cli.diagnosis_options import DiagnoseOptions, StepOptions
from lenet_exp.config.schema.run import Settings
from lenet_exp.errors import DataError
from lenet_exp.experiment.steps import (
    Step,
    captured_step,
    graph_step,
    lenet_step,
    plan_of,
    with_precision,
)
from lenet_exp.precision.diagnosis import error_table
from lenet_exp.precision.diagnosis.errors import Diagnosis, diagnose
from lenet_exp.record.run import checkpoints, run_folders
from lenet_exp.record.waiting import waiting


def main(options: DiagnoseOptions) -> int:
    """Print the table.

    Raises:
        LenetExpError: there is no such run, graph or file.
    """
    tf_compat.configure(hide_gpus=True, deterministic=False)
    step, settings = step_of(options)
    with waiting(f"{settings.precision.mode}: one step"):
        flush = settings.precision.flush_subnormals
        found = diagnose(plan_of(step, settings), step.values, step.feeds(0), flush=flush)
    print(_text(options, found), flush=True)
    return 0


def _text(options: DiagnoseOptions, found: Diagnosis) -> str:
    if options.format != "table":
        return (error_table.csv_of if options.format == "csv" else error_table.json_of)(found)
    most = len(found.operators) if options.operators == "all" else int(options.operators)
    return error_table.table(found, shutil.get_terminal_size((100, 24)).columns, most)


def step_of(options: StepOptions) -> Tuple[Step, Settings]:
    """Return the step that is asked for, and the settings that its plan is made by.

    Raises:
        LenetExpError: there is no such run, graph or file.
    """
    if options.graph is not None and options.feeds is not None:
        wanted = (options.graph, options.feeds, options.fetches, options.checkpoint)
        return graph_step(*wanted), options.settings
    if options.capture is not None:
        return captured_step(options.capture, options.fetches), options.settings
    settings, checkpoint = options.settings, options.checkpoint
    if options.run is not None:
        folder = run_folders.find(f"{options.program()} run", options.run, Path.cwd())
        recorded = run_folders.settings_from_here(folder)
        settings = with_precision(recorded, settings) if options.chosen else recorded
        found = checkpoints.newest(folder)
        if found.path is None:
            remedy = f"{options.program()} run=RUN of another run"
            raise DataError(folder / "checkpoints", "holds no whole checkpoint yet", remedy)
        checkpoint = found.path
    return lenet_step(settings, checkpoint), settings
