"""python -m lenet_exp.rerun run=RUN: repeat a recorded run; did the same bits come out?"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Optional, Sequence

from lenet_exp import cli
from lenet_exp.errors import handle_signals
from lenet_exp.experiment import resume
from lenet_exp.record.run import run_folders
from lenet_exp.record.store import journal

if TYPE_CHECKING:  # numpy
    from lenet_exp.comparison.repetition import Differences


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Repeat one run and compare; return the exit code, 1 where something differs."""
    handle_signals()
    return cli.main("rerun", __doc__, argv, _rerun)


def _rerun(before: Path) -> int:
    from lenet_exp.comparison import repetition  # noqa: PLC0415 - numpy

    recorded = repetition.outcome(before)
    entries = run_folders.go_to_start(before)
    settings = run_folders.settings_of(before)
    now = Path("outputs", time.strftime(f"%Y-%m-%d_%H-%M-%S-{os.getpid()}")).resolve()
    now.mkdir(parents=True)
    resume.log_to(now)
    from lenet_exp.experiment.run import run_experiment  # noqa: PLC0415 - TensorFlow

    run_id = journal.merged(entries, "run")["run_id"]
    run_experiment(settings, now, {"rerun_of": run_id})
    verdict = repetition.compare(recorded, repetition.outcome(now))
    print(f"\n{_told(verdict, len(recorded.metrics), settings.deterministic, run_id)}")
    return 1 if verdict.results else 0


def _told(verdict: Differences, values: int, deterministic: bool, run_id: str) -> str:
    if not verdict.results:
        lines = [f"bit-equal to run {run_id}: {values} values of metrics, and all predictions"]
    else:
        lines = [f"not bit-equal to run {run_id}:", *verdict.results]
    lines += ["conditions that differ:", *verdict.conditions] if verdict.conditions else []
    if verdict.results and not deterministic:
        lines.append("the run was not deterministic=true: threads may add up in any order")
    if verdict.results and deterministic and not verdict.conditions:
        lines.append("no recorded condition differs")
    return "\n  ".join(lines)


if __name__ == "__main__":
    sys.exit(main())
