"""A recorded run, repeated, and how the two differ."""

from __future__ import annotations

import os
import time
from pathlib import Path

from lenet_exp import tf_compat
from lenet_exp.comparison import repetition
from lenet_exp.comparison.repetition import Differences
from lenet_exp.config.cli.recorded_options import RerunOptions
from lenet_exp.experiment import resume
from lenet_exp.record import places
from lenet_exp.record.run import run_folders
from lenet_exp.record.store import journal


def main(options: RerunOptions, folder: Path) -> int:
    """Repeat the run in `folder` and compare; return 1 where something differs."""
    recorded = repetition.outcome(folder)
    entries = run_folders.go_to_start(folder)
    settings = run_folders.settings_of(folder)
    command = RerunOptions.command("run", options.run)
    places.check_recorded(settings, Path("outputs"), command, tf_compat.stack_of_this_python())
    now = Path("outputs", time.strftime(f"%Y-%m-%d_%H-%M-%S-{os.getpid()}")).resolve()
    now.mkdir(parents=True)
    resume.log_to(now)
    from lenet_exp.experiment.run import run_experiment  # noqa: PLC0415 - TensorFlow

    run_id = journal.merged(entries, "run")["run_id"]
    run_experiment(settings, now, {"rerun_of": run_id})
    differences = repetition.compare(recorded, repetition.outcome(now))
    print(f"\n{_report(differences, len(recorded.metrics), settings.deterministic, run_id)}")
    return 1 if differences.results else 0


def _report(differences: Differences, values: int, deterministic: bool, run_id: str) -> str:
    if not differences.results:
        lines = [f"bit-equal to run {run_id}: {values} values of metrics, and all predictions"]
    else:
        lines = [f"not bit-equal to run {run_id}:", *differences.results]
    lines += ["conditions that differ:", *differences.conditions] if differences.conditions else []
    if differences.results and not deterministic:
        lines.append("the run was not deterministic=true: threads may add up in any order")
    if differences.results and deterministic and not differences.conditions:
        lines.append("no recorded condition differs")
    return "\n  ".join(lines)
