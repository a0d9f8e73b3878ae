"""Sweeps as a person starts them; faults are planted from outside, into the jobs' Python."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Dict

from lenet_exp.record.store import journal, processes

# Python runs a sitecustomize of the path at every start. It comes before the package is imported,
# so what the package imports by name is the planted function.
_PLANTED = """
import os, signal, sys, time
import lenet_exp.data.batches as batches
drawn, faults = batches.batch_indices, {faults!r}

def batch_indices(seed, count, size, step, steps):
    fault = faults.get(seed) if step >= {step} else None
    if fault == "raise":
        raise RuntimeError("planted")
    if fault == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if fault == "exit":
        sys.exit(3)
    if fault == "hang":
        time.sleep(600)
    return drawn(seed, count, size, step, steps)

batches.batch_indices = batch_indices
"""


def plant(folder: Path, faults: Dict[int, str], step: int = 0) -> str:
    """Return the PYTHONPATH with which the jobs of these seeds have a fault from `step` on."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(_PLANTED.format(faults=faults, step=step))
    return str(folder)


def runs_of(project, sweep):
    """Return the sweep's parent, and its children by what tells them apart."""
    runs = [run for run in project.recorded() if run.data.tags.get("sweep") == sweep]
    (parent,) = [run for run in runs if run.data.tags.get("sweep_parent") == "true"]
    children = [run for run in runs if run is not parent]
    assert {run.data.tags["mlflow.parentRunId"] for run in children} <= {parent.info.run_id}
    named = {run.data.tags["job_override"]: run for run in children}
    assert len(named) == len(children)
    return parent, named


def statuses(runs):
    return {name: run.info.status for name, run in runs.items()}


def running(project):
    return [run for run in project.recorded() if run.info.status == "RUNNING"]


def wait_for(condition, process=None, seconds=300):
    """Wait until `condition()` holds, and return what it returned."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = condition()
        if found:
            return found
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.05)
    raise AssertionError(condition)


def job_folders(project, sweep):
    return sorted(path.parent for path in project.folder.glob(f"multirun/{sweep}/*/record.jsonl"))


def process_of(folder):
    """Return the tag that tells which process makes, or made, the job in a folder."""
    return journal.merged(journal.read(folder), "tags").get(processes.TAG)


def unfinished(project, sweep, after):
    """Return the folder of the job that is at work once `after` others have finished, or None."""
    folders = job_folders(project, sweep)
    open_ones = [
        folder
        for folder in folders
        if journal.merged(journal.read(folder), "status").get("status") == "RUNNING"
    ]
    return open_ones[0] if len(open_ones) == 1 and len(folders) == after + 1 else None
