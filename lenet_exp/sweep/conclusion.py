"""What a sweep ends with: the comparison of its runs."""

from __future__ import annotations

from typing import List, Optional, Sequence

from lenet_exp.errors import LenetExpError
from lenet_exp.record.store import journal
from lenet_exp.sweep.jobs import SweepJob


def conclude(
    tracking_uri: Optional[str],
    experiment: str,
    sweep_name: str,
    jobs: Sequence[SweepJob],
    reference: Optional[str] = None,
) -> str:
    """Return the comparison of a sweep's finished jobs, for the screen.

    Of a store that can't be read, what the jobs keep in their folders.

    Args:
        tracking_uri: of the store that has the runs; None: MLflow's default.
        experiment: its name there.
        sweep_name: the tag `sweep` of the runs.
        jobs: those that have finished, in the order of the command line.
        reference: what they are compared with; None: must_keep_origin_dtype, else the first.
    """
    from lenet_exp.comparison import compare  # noqa: PLC0415 - MLflow, matplotlib

    if not jobs:
        return "nothing to compare: no job has finished"
    try:
        return compare.compare_sweep(tracking_uri, experiment, sweep_name, reference)
    except LenetExpError as error:
        return "\n".join([f"not compared: {error}", *_kept(jobs)])


def _kept(jobs: Sequence[SweepJob]) -> List[str]:
    lines = []
    width = max([3, *(len(job.delta) for job in jobs)])
    for job in jobs:
        metrics = journal.merged(journal.read(job.folder), "metrics")
        accuracy, seconds = metrics["accuracy"], metrics["sec_per_step"]
        lines.append(f"  {job.delta:{width}}  accuracy {accuracy:.4f}  sec/step {seconds:.5f}")
    return lines
