"""How long a comparison over 200 recorded runs takes, against five jobs of one step.

python benchmarks/compare_time.py: whole processes, in pairs (the time of one job counts five
times); the ratio must stay below 1.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from paired import measure, ratio

from lenet_exp.comparison import load_runs
from lenet_exp.comparison.runs import Recorded
from lenet_exp.config.schema.modes import PRECISION_MODES
from lenet_exp.record.store.mlflow_store import Point, Store

JOBS, RUNS, SEEDS, WINDOWS = 5, 200, 5, 50
ROUNDS = 3
LIMIT = 1.0
SERIES = ("loss", "loss_scale", "skipped_steps", "validation_accuracy")
FILES = ("config.yaml", "precision.csv", "test_predictions.npz")


def process(verb: str, folder: Path, *words: str) -> None:
    command = [sys.executable, "-W", "ignore", "-m", f"lenet_exp.{verb}", *words]
    subprocess.run(command, cwd=str(folder), check=True, capture_output=True)


def job(folder: Path) -> None:
    process("run", folder, "schedule.epochs=1", "schedule.steps_per_epoch=1")


def seconds_of(step):
    def once() -> float:
        begun = time.perf_counter()
        step()
        return time.perf_counter() - begun

    return once


def record_copies(folder: Path, uri: str) -> None:
    """Record 200 runs as a sweep's are: those of the one real run, with other settings."""
    (real,) = load_runs.experiment(Store(uri, "lenet-exp", make=False), "lenet-exp").runs
    many = Store(uri, "many")
    rates = [f"{0.0001 * (place + 1):g}" for place in range(RUNS // SEEDS // len(PRECISION_MODES))]
    for mode, rate, seed in itertools.product(PRECISION_MODES, rates, range(SEEDS)):
        settings = {"precision.mode": mode, "optimizer.learning_rate": rate, "seed": seed}
        record_copy(many, real, settings)


def record_copy(store: Store, real: Recorded, settings: dict) -> None:
    kept = {k: v for k, v in real.tags.items() if not k.startswith("mlflow.")}
    run = store.create("copy", {**kept, "sweep": "many"})
    run.params({**real.params, **settings})
    points = [Point(key, value, 1, 1) for key, value in real.metrics.items()]
    for step in range(1, WINDOWS + 1):
        points += [Point(key, 1 / step, step, 100 * step) for key in SERIES]
    run.metrics(points)
    for name in FILES:
        run.artifact(Path(real.tags["folder"], name))
    run.end("FINISHED")


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        job(folder)  # makes the store
        stores = {"mlflow.db": "sqlite:///{}", "mlruns": "{}"}
        made = next(file for file in stores if (folder / file).exists())
        record_copies(folder, stores[made].format(folder / made))
        compare = ("compare", folder, "tracking.experiment=many")
        variants = {
            "compare": seconds_of(lambda: process(*compare)),
            "job": seconds_of(lambda: job(folder)),
        }
        seen = measure(variants, ROUNDS, warm_up=0)
    found = ratio(seen["compare"], [JOBS * each for each in seen["job"]])
    print(f"comparing {RUNS} runs / {JOBS} jobs of one step: {found}")
    for what, times in seen.items():
        print(f"  {what}: {', '.join(f'{each:.1f}' for each in times)} s")
    print(f"limit {LIMIT}: {'met' if found.high < LIMIT else 'missed'}")
    return 0 if found.high < LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
