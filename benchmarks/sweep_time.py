"""What a sweep adds to its jobs, by stage, and what two at a time and a warm start save.

python benchmarks/sweep_time.py [stages|pace|warm|slurm] [jobs]

stages: a sweep of 40 one-step jobs. Not ours: starting Python, importing TensorFlow, MLflow and
Hydra with what they import themselves, the first session call, the step, the evaluation. All the
rest is, down to the table at the end; at most 0.3 of a job's time.
pace: 8 equal jobs, two at a time against one at a time, in pairs, with equal metrics
(deterministic=true); at most 0.70 of the time on tf2 and 0.90 on tf1, on 2 cores.
warm: 20 one-step jobs that are forked after the imports against fresh interpreters, in pairs, one
at a time and two at a time, with equal metrics; at most a third of the time.
slurm: 20 one-step jobs by hydra/launcher=slurm, the whole command, against plain srun of the same
processes, in pairs, one at a time and two at a time, with equal metrics; at most 1.10 of the time.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import slurm_time
from paired import measure, ratio

from lenet_exp import tf_compat
from lenet_exp.comparison.repetition import is_time
from lenet_exp.record.store import journal

OURS = 0.3
WARM = 0.333
SLURM = 1.10
PACE = {"tf1": 0.90, "tf2": 0.70}
ROUNDS = 3
# Runs at the start of every Python of the sweep. A nested stage is part of the outer one.
PLANTED = """
import time
began = time.clock_gettime(time.CLOCK_BOOTTIME)
import atexit, builtins, json, os, sys
stat = open("/proc/self/stat").read().rpartition(")")[2].split()
age = began - int(stat[19]) / os.sysconf("SC_CLK_TCK")
stages = {"start of Python": (age, time.process_time())}  # wall, processor
outer = []

def timed(name, function):
    def call(*args, **keywords):
        if outer:
            return function(*args, **keywords)
        outer.append(name)
        begun = time.perf_counter(), time.process_time()
        try:
            return function(*args, **keywords)
        finally:
            outer.pop()
            spent = time.perf_counter() - begun[0], time.process_time() - begun[1]
            before = stages.get(name, (0.0, 0.0))
            stages[name] = (before[0] + spent[0], before[1] + spent[1])
    return call

plain = builtins.__import__
owners = {
    "tensorflow": "TensorFlow", "numpy": "TensorFlow", "google": "TensorFlow",
    "mlflow": "MLflow", "sqlalchemy": "MLflow", "alembic": "MLflow",
    "hydra": "Hydra", "omegaconf": "Hydra",
}

def importing(name, *rest, **more):
    owner = owners.get(name.partition(".")[0])
    if owner and name not in sys.modules and not outer:
        return timed("import of " + owner, plain)(name, *rest, **more)
    return plain(name, *rest, **more)

builtins.__import__ = importing

import lenet_exp.tf_compat
lenet_exp.tf_compat.load = timed("import of TensorFlow", lenet_exp.tf_compat.load)
import lenet_exp.training.program as program
program.FedRunner.__init__ = timed("first session call", program.FedRunner.__init__)
program.FedRunner.call = timed("steps", program.FedRunner.call)
program.FedRunner.predict = timed("evaluation", program.FedRunner.predict)

@atexit.register
def tell():
    with open(os.path.join(os.environ["SWEEP_TIME"], str(os.getpid())), "w") as kept:
        json.dump(stages, kept)

leave = os._exit  # how a job ends
os._exit = lambda code: (tell(), leave(code))
"""


def sweep(folder, *words, **environment):
    begun = np.array([time.perf_counter(), processor()])
    done = subprocess.run(
        [sys.executable, "-m", "lenet_exp.run", "-m", *words],
        cwd=str(folder),
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return np.array([time.perf_counter(), processor()]) - begun  # seconds: wall, processor


def processor():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def prepare(folder):
    """Make the store and the font cache, as any earlier command has."""
    sweep(folder, "debug=fast", "sweep=first")


def stages(jobs):
    with tempfile.TemporaryDirectory() as name:
        folder, told = Path(name), Path(name, "told")
        told.mkdir()
        (folder / "planted").mkdir()
        (folder / "planted" / "sitecustomize.py").write_text(PLANTED)
        prepare(folder)
        environment = {"PYTHONPATH": str(folder / "planted"), "SWEEP_TIME": str(told)}
        words = ("debug=fast", "schedule.steps_per_epoch=1", f"seed=range(0,{jobs})")
        whole = sweep(folder, *words, **environment)
        seconds = defaultdict(lambda: np.zeros(2))
        for path in told.iterdir():
            for stage, spent in json.loads(path.read_text()).items():
                seconds[stage] += spent
    ours = whole - sum(seconds.values())
    rows = [*sorted(seconds.items(), key=lambda item: -item[1][0]), ("ours", ours), ("all", whole)]
    print(f"{'a job, in seconds':22} {'wall':>8} {'processor':>10}")
    for stage, (wall, cpu) in rows:
        print(f"{stage:22} {wall / jobs:8.3f} {cpu / jobs:10.3f}")
    share, of_cpu = ours / whole
    print(f"ours / all: {share:.3f}, in processor time {of_cpu:.3f}")
    print(f"limit {OURS}: {'met' if share <= OURS else 'missed'}")
    return share <= OURS


def metrics_of(folder, name):
    found = {}
    for path in folder.glob(f"multirun/{name}/*/{journal.NAME}"):
        for entry in journal.read(path.parent):
            for key, value in entry.values.items() if entry.kind == "metrics" else ():
                if not is_time(key):
                    found[path.parent.name, key, entry.step] = value
    return found


def pace(jobs):
    stack = tf_compat.stack_of_this_python()
    with tempfile.TemporaryDirectory() as name:
        folder, calls = Path(name), []

        def at_a_time(n_jobs):
            calls.append(f"{len(calls)}-{n_jobs}")
            words = ("schedule=performance", "deterministic=true", f"seed=range(0,{jobs})")
            return sweep(folder, *words, f"sweep={calls[-1]}", f"hydra.launcher.n_jobs={n_jobs}")[0]

        prepare(folder)
        seen = measure({"one": lambda: at_a_time(1), "two": lambda: at_a_time(2)}, ROUNDS, 0)
        metrics = [metrics_of(folder, name) for name in calls]
    equal = all(found == metrics[0] for found in metrics)
    print(f"one at a time {np.median(seen['one']):.1f} s, two {np.median(seen['two']):.1f} s")
    print(f"{len(metrics[0])} metrics are {'equal' if equal else 'NOT equal'}")
    found = ratio(seen["two"], seen["one"])
    met = found.median <= PACE[stack] and equal
    print(f"two at a time / one at a time on {stack}: {found}")
    print(f"limit {PACE[stack]}: {'met' if met else 'missed'}")
    return met


def warm(jobs):
    """Measure one at a time, then two."""
    met = [_warm(jobs, at_a_time) for at_a_time in (1, 2)]
    return all(met)


def _warm(jobs, at_a_time):
    with tempfile.TemporaryDirectory() as name:
        folder, calls = Path(name), []

        def start(how):
            calls.append(f"{len(calls)}-{how}")
            words = ("debug=fast", "schedule.steps_per_epoch=1", "deterministic=true")
            places = (f"hydra.launcher.n_jobs={at_a_time}", f"hydra.launcher.warm={how}")
            return sweep(folder, *words, f"seed=range(0,{jobs})", f"sweep={calls[-1]}", *places)[0]

        prepare(folder)
        seen = measure({how: lambda how=how: start(how) for how in ("true", "false")}, ROUNDS, 0)
        metrics = [metrics_of(folder, name) for name in calls]
    equal = all(found == metrics[0] for found in metrics)
    found = ratio(seen["true"], seen["false"])
    met = found.median <= WARM and equal
    print(f"{jobs} jobs, {at_a_time} at a time: warm {np.median(seen['true']):.1f} s, ", end="")
    print(f"fresh {np.median(seen['false']):.1f} s; metrics are {'' if equal else 'NOT '}equal")
    print(f"warm / fresh: {found}; limit {WARM}: {'met' if met else 'missed'}")
    return met


def slurm(jobs):
    """Measure one at a time, then two; True where there is no Slurm."""
    with slurm_time.started() as environment:
        if environment is None:
            return True
        met = [_slurm(jobs, at_a_time, environment) for at_a_time in (1, 2)]
        return all(met)


def _slurm(jobs, at_a_time, environment):
    with tempfile.TemporaryDirectory() as name:
        folder, calls = Path(name), []

        def launched():
            calls.append(f"{len(calls)}-launched")
            words = (*slurm_time.ONE_STEP, *slurm_time.LAUNCHER, f"seed=range(0,{jobs})")
            words = (*words, f"sweep={calls[-1]}", f"hydra.launcher.n_jobs={at_a_time}")
            return sweep(folder, *words, **environment)[0]

        def plain():
            calls.append(f"{len(calls)}-plain")
            made = slurm_time.orders(folder, calls[-1], jobs)
            return slurm_time.by_srun(folder, made, environment, at_a_time)

        prepare(folder)
        seen = measure({"launched": launched, "plain": plain}, ROUNDS, 0)
        metrics = [metrics_of(folder, name) for name in calls]
    equal = all(found == metrics[0] for found in metrics)
    found = ratio(seen["launched"], seen["plain"])
    met = found.median <= SLURM and equal
    print(
        f"{jobs} jobs, {at_a_time} at a time: launcher {np.median(seen['launched']):.1f} s, ",
        end="",
    )
    print(f"srun {np.median(seen['plain']):.1f} s; metrics are {'' if equal else 'NOT '}equal")
    print(f"launcher / srun: {found}; limit {SLURM}: {'met' if met else 'missed'}")
    return met


def main() -> int:
    asked = sys.argv[1] if len(sys.argv) > 1 else "all"
    jobs = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    met = [stages(jobs or 40)] if asked in ("all", "stages") else []
    met += [pace(jobs or 8)] if asked in ("all", "pace") else []
    met += [warm(jobs or 20)] if asked in ("all", "warm") else []
    met += [slurm(jobs or 20)] if asked in ("all", "slurm") else []
    return 0 if met and all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
