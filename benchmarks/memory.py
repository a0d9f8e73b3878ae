"""Peak memory of a whole run above importing TensorFlow and MLflow alone.

python benchmarks/memory.py: megabytes; the limit is 250.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile

LIMIT_MB = 250
REPEATS = 3
REPORT = (
    "import resource; print('PEAK', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
)
IMPORTS = (
    "from lenet_exp import tf_compat; tf_compat.configure(True, False); import mlflow;"
    "tf = tf_compat.load(); tf.Session"
)
RUN = (
    "import sys; sys.argv = ['run', 'schedule=performance'];"
    "from lenet_exp.run import main; assert main() == 0"
)


def peak_mb(program: str, folder: str) -> int:
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    environment.pop("MLFLOW_TRACKING_URI", None)
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\n{REPORT}"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return int(done.stdout.split("PEAK ")[1])


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        imports = statistics.median(peak_mb(IMPORTS, folder) for _ in range(REPEATS))
        runs = [peak_mb(RUN, folder) for _ in range(REPEATS)]
    above = max(runs) - imports
    print(f"peak memory: imports {imports} MB, runs {runs} MB, {above} MB above the imports")
    print(f"limit {LIMIT_MB}: {'met' if above <= LIMIT_MB else 'missed'}")
    return 0 if above <= LIMIT_MB else 1


if __name__ == "__main__":
    sys.exit(main())
