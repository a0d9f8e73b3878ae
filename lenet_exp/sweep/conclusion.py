"""What a sweep ends with: the comparison of its runs."""

from __future__ import annotations

from typing import List, Optional, Sequence

from lenet_exp.errors import LenetExpError
from lenet_exp.record.store import journal
from lenet_exp.sweep.jobs import Request, SweepJob


def conclude(uri: Optional[str], request: Request, jobs: Sequence[SweepJob]) -> str:
    """Return the comparison of a sweep's finished jobs, for the screen.

    Of a store (None: MLflow's default) that can't be read, what the jobs keep in their folders.
    """
    from lenet_exp.comparison import compare  # noqa: PLC0415 - MLflow, matplotlib

    if not jobs:
        return "nothing to compare: no job has finished"
    experiment = jobs[0].settings.tracking.experiment
    try:
        return compare.compare_sweep(uri, experiment, request.name, request.options.reference)
    except LenetExpError as error:
        return "\n".join([f"not compared: {error}", *_recorded_results(jobs)])


def _recorded_results(jobs: Sequence[SweepJob]) -> List[str]:
    lines = []
    width = max([3, *(len(job.delta) for job in jobs)])
    for job in jobs:
        metrics = journal.merged(job.recorded(), "metrics")
        accuracy, seconds = metrics["accuracy"], metrics["sec_per_step"]
        lines.append(f"  {job.delta:{width}}  accuracy {accuracy:.4f}  sec/step {seconds:.5f}")
    return lines
