"""What a sweep ends with."""

from __future__ import annotations

from typing import List, Optional, Sequence

from lenet_exp.record import journal
from lenet_exp.sweep.jobs import Job


def conclude(
    tracking_uri: Optional[str],
    experiment: str,
    sweep_name: str,
    jobs: Sequence[Job],
    reference: Optional[str] = None,
) -> str:
    """Return what a sweep's finished jobs came to, for the screen.

    Args:
        tracking_uri: of the store that has the runs; None: MLflow's default.
        experiment: its name there.
        sweep_name: the tag `sweep` of the runs.
        jobs: those that have finished, in the order of the command line.
        reference: what they are compared with; None: must_keep_origin_dtype.
    """
    lines: List[str] = []
    width = max([3, *(len(job.delta) for job in jobs)])
    for job in jobs:
        metrics = journal.merged(journal.read(job.folder), "metrics")
        accuracy, seconds = metrics["accuracy"], metrics["sec_per_step"]
        lines.append(f"  {job.delta:{width}}  accuracy {accuracy:.4f}  sec/step {seconds:.5f}")
    return "\n".join(lines)
