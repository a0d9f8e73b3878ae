"""Faults in the jobs of a sweep, planted from outside into their Python, by the job's seed."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tests.end_to_end.sweeps import wait_for

# Once: the first time; the file that is left tells the test, and the next attempt.
_PLANTED = """
import os, signal, sys, time
import lenet_exp.data.batches as batches
drawn, faults = batches.batch_indices, {faults!r}

def batch_indices(seed, count, size, step, steps):
    fault, met = faults.get(seed, ""), os.path.join({folder!r}, "met-" + str(seed))
    if fault and step >= {step} and ("always" in fault or not os.path.exists(met)):
        open(met, "w").close()
        if "raise" in fault:
            raise RuntimeError("planted")
        if "kill" in fault:
            os.kill(os.getpid(), signal.SIGKILL)
        if "hang" in fault:
            time.sleep(600)
        while "wait" in fault and not os.path.exists(met.replace("met-", "go-")):
            time.sleep(0.1)
        kept = []
        while "memory" in fault:
            kept.append(bytearray(1 << 20) * 200)
            time.sleep(0.1)
    return drawn(seed, count, size, step, steps)

batches.batch_indices = batch_indices
"""


class Faults:
    """What the jobs of some seeds meet once they have made `step` steps."""

    def __init__(self, folder: Path, faults, step=20):
        folder.mkdir(exist_ok=True)
        text = _PLANTED.format(faults=faults, folder=str(folder), step=step)
        (folder / "sitecustomize.py").write_text(text)
        paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.folder, self.path = folder, os.pathsep.join(paths)

    def wait_for(self, seed, process):
        """Wait until the job of a seed has met its fault."""
        wait_for((self.folder / f"met-{seed}").exists, process)


def folder_of(project, sweep, seed):
    """Return the folder of the job with a seed."""
    found = [
        path.parent
        for path in project.folder.glob(f"multirun/{sweep}/*/config.yaml")
        if f"\nseed: {seed}\n" in "\n" + path.read_text()
    ]
    return found[0] if found else None


def lease_of(project, sweep, seed):
    """Return what the lease of a seed's job says once its process has told who it is."""

    def told():
        folder = folder_of(project, sweep, seed)
        lease = json.loads((folder / "lease.json").read_text()) if folder else {}
        return lease if "pid" in lease else None

    return wait_for(told)
