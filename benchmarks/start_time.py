"""What a run costs besides its steps: a whole one-step run against a bare `import tensorflow`.

python benchmarks/start_time.py: whole processes, in pairs; at most 1.4 times on tf2 and 3.5 times
on tf1. Beside that it prints when the first line came, and how long the process lived after its
last one.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from paired import measure, ratio

from lenet_exp import tf_compat

LIMIT = {"tf1": 3.5, "tf2": 1.4}
ROUNDS = 7
BARE = [sys.executable, "-c", "import tensorflow"]
RUN = [sys.executable, "-m", "lenet_exp.run", "schedule=smoke", "schedule.steps_per_epoch=1"]


def process(command, folder: Path):
    """Return the seconds until the first line, until the last one, and until the end."""
    begun, told = time.perf_counter(), []
    with subprocess.Popen(
        command, cwd=str(folder), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        told.extend(time.perf_counter() - begun for _ in child.stdout)
    assert child.returncode == 0, command
    whole = time.perf_counter() - begun
    return np.array([told[0] if told else whole, told[-1] if told else whole, whole])


def main() -> int:
    stack = tf_compat.stack_of_this_python()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        variants = {"run": lambda: process(RUN, folder), "bare": lambda: process(BARE, folder)}
        seen = measure(variants, ROUNDS)  # the first one makes the store, and is not counted
    run, bare = (np.array(seen[name]) for name in ("run", "bare"))
    first, last, whole = np.median(run, axis=0)
    print(f"first line after {first:.2f} s, end {whole - last:.2f} s after the last one")
    print(f"whole run {whole:.2f} s, import tensorflow {np.median(bare[:, 2]):.2f} s")
    found = ratio(run[:, 2], bare[:, 2])
    print(f"one-step run / import tensorflow on {stack}: {found}")
    met = found.median <= LIMIT[stack]
    print(f"limit {LIMIT[stack]}: {'met' if met else 'missed'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
