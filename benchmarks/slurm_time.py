"""The same jobs by plain srun, and by hydra/launcher=slurm, on a Slurm started for it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for the engine of the tests

from lenet_exp import tf_compat
from lenet_exp.config.cli.command_line import settings_to_explain
from lenet_exp.config.identity import config_hash
from lenet_exp.experiment.dataset import load_data
from lenet_exp.record.store import lease
from tests.cluster.slurm import Slurm, missing

ONE_STEP = ("debug=fast", "schedule.steps_per_epoch=1", "deterministic=true")
OPTIONS = {"mem": "2500", "cpus-per-task": "1"}
LAUNCHER = ("hydra/launcher=slurm", "hydra.launcher.mem=2500")


@contextlib.contextmanager
def started():
    """Yield the environment of a Slurm; None, and why in a line, where none can be started."""
    lacking = missing()
    if lacking or os.getuid() != 0:
        why = f"no {', '.join(lacking)} here" if lacking else "its daemons need root"
        print(f"slurm: not measured: {why} (apt-get install slurmctld slurmd slurm-client munge)")
        yield None
        return
    with tempfile.TemporaryDirectory() as name:
        engine = Slurm(Path(name))
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # its daemons outlive nothing
        try:
            engine.start()
            yield engine.environment
        finally:
            engine.stop()


def orders(folder, name, jobs):
    """Return the order of each job, as the launcher gives them, into the folders it would make."""
    stack, data = tf_compat.stack_of_this_python(), load_data(None).sha256
    made = []
    for seed in range(jobs):
        settings = settings_to_explain([*ONE_STEP, f"seed={seed}"])
        place = folder / "multirun" / name / config_hash(settings, data, stack)
        place.mkdir(parents=True)
        held = lease.take(place, "slurm")
        order = {"folder": str(place), "settings": asdict(settings), "tags": {"sweep": name}}
        order.update(cores=1, attempt=held.attempt, lease=held.token, argv=["lenet_exp.run"])
        made.append(order)
    return made


def by_srun(folder, made, environment, at_a_time):
    """Run the orders, so many srun at a time; return the seconds."""
    words = ["srun", "--quiet", "--ntasks=1", *(f"--{k}={v}" for k, v in OPTIONS.items())]
    words += [sys.executable, "-m", "lenet_exp.sweep.job"]

    def run(order):
        with subprocess.Popen(
            words,
            cwd=str(folder),
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        ) as process:
            process.stdin.write(json.dumps(order).encode() + b"\n")
            process.stdin.flush()  # and stays open: its end would end the job
            said = process.stderr.read().decode(errors="replace")
            process.wait()
        assert process.returncode == 0, said

    begun = perf_counter()
    with ThreadPoolExecutor(at_a_time) as pool:
        list(pool.map(run, made))
    return perf_counter() - begun
