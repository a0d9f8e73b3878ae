"""What a recorded training step costs, against the loops people write by hand.

python benchmarks/step_time.py: ratios of seconds per step, ours / theirs, three times over; then
what recording takes, and the factor against TensorFlow's own defaults. In each round every
variant makes 100 steps, in a new order; ours goes through the trainer's window and the record
(journal, store, screen) as in a real run. "hand-written, twice" is one loop built two times: it
says how far to trust the rest. PyTorch and JAX take part where the extra `peers` is installed.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable, Dict, List, NamedTuple, Optional, Tuple

import hydra
import rivals
from paired import Ratio, measure, ratio

from lenet_exp import tf_compat
from lenet_exp.config import CONF
from lenet_exp.config.compose import register_resolvers, resolve
from lenet_exp.data import download, files, mnist
from lenet_exp.experiment import backends, graphs
from lenet_exp.record.run.run_record import Identity, RunRecord, open_record
from lenet_exp.record.store.mlflow_store import Store
from lenet_exp.record.terminal import Progress
from lenet_exp.training import trainer
from lenet_exp.training.history import History

ROUNDS, STEPS, RUNS, REPEATS = 20, 100, 3, 5
OURS, TWICE = "ours", "hand-written, twice"
LARGEST_RECORDING = 0.02  # of the loop's seconds
Round = Callable[[], None]


class Limit(NamedTuple):
    """What a ratio may be: its median, and the upper end of its interval in two runs of three."""

    median: float
    high: float


ALWAYS = ("hand-written", "ModelZoo's way")  # the others need the extra `peers`
LIMITS = {
    "hand-written": Limit(1.03, 1.08),
    "ModelZoo's way": Limit(1.0, 1.0),
    "PyTorch eager": Limit(1.0, 1.0),
    "JAX jit": Limit(1.0, 1.0),
}


class Spent(NamedTuple):
    """Seconds of one round, on the clock and of all processors."""

    wall: float
    cpu: float


def timed(round_: Round) -> Callable[[], Spent]:
    def once() -> Spent:
        wall, processor = time.perf_counter(), time.process_time()
        round_()
        return Spent(time.perf_counter() - wall, time.process_time() - processor)

    return once


def of_steps(loop: rivals.Loop) -> Round:
    return lambda: loop(STEPS)


def our_round(data: mnist.Mnist, record: RunRecord, stack: contextlib.ExitStack) -> Round:
    """Return one window of the real loop, recorded."""
    register_resolvers()
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        # The loops beside it are float32.
        settings = resolve(hydra.compose("config", ["precision=must_keep_origin_dtype"]))
    built = graphs.build_graphs(settings)
    chip = graphs.plan(settings, built)
    opened = backends.CpuBackend(settings, 0).open_runner(built, chip, data.train, 0, print)
    runner = stack.enter_context(opened)
    history = History()

    def once() -> None:
        nonlocal history
        for window in trainer.train(runner.make_steps, STEPS, STEPS):
            history = history.with_window(*window, cold=False)
            record.window(history)

    return once


def open_our_record(folder: Path, stack: contextlib.ExitStack) -> RunRecord:
    store = Store(f"sqlite:///{folder / 'runs.db'}", "benchmark")
    screen = stack.enter_context((folder / "screen.txt").open("w"))
    progress = Progress(1, ROUNDS * STEPS * (RUNS + 1), 0, screen)
    identity = Identity("step_time", {"seed": 0}, "seed: 0\n", {}, {})
    return stack.enter_context(open_record(store, identity, folder / "run", progress))


def variants(data: mnist.Mnist, folder: Path, ours: Round) -> Dict[str, Callable[[], Spent]]:
    train = data.train
    loops = {
        "hand-written": rivals.hand_written(train, 0),
        TWICE: rivals.hand_written(train, 0),
        "ModelZoo's way": rivals.modelzoo(train, 0, folder / "events"),
    }
    if importlib.util.find_spec("torch"):
        loops["PyTorch eager"] = rivals.torch_eager(train)
        loops["PyTorch eager, channels_last"] = rivals.torch_eager(train, channels_last=True)
    if importlib.util.find_spec("jax"):
        loops["JAX jit"] = rivals.jax_jit(train)
    return {OURS: timed(ours), **{name: timed(of_steps(loop)) for name, loop in loops.items()}}


def report(seen: Dict[str, List[Spent]]) -> Dict[str, Ratio]:
    """Print every ratio of a run, and return those that count."""
    load = os.getloadavg()[0]
    base = [spent.wall for spent in seen[OURS]]
    itself = ratio([s.wall for s in seen["hand-written"]], [s.wall for s in seen[TWICE]])
    trusted = abs(itself.median - 1) <= 0.03 and itself.high - itself.low <= 0.10
    print(f"\nload {load:.1f}; ours {1000 * statistics.median(base) / STEPS:.2f} ms a step")
    print(f"  hand-written / itself         {itself}" + ("" if trusted else "  not measured"))
    found = {}
    for name, theirs in seen.items():
        if name in (OURS, TWICE):
            continue
        found[name] = ratio(base, [spent.wall for spent in theirs])
        of_cpu = ratio([spent.cpu for spent in seen[OURS]], [spent.cpu for spent in theirs])
        print(f"  ours / {name:<30} {found[name]}, cpu {of_cpu.median:.3f}")
    return found if trusted else {}


def verdicts(runs: List[Dict[str, Ratio]]) -> int:
    """Print whether each limit is met; return the exit code."""
    missed = 0
    print()
    for name, limit in LIMITS.items():
        found = [run[name] for run in runs if name in run]
        if not found:
            print(f"ours / {name}: not measured")
            missed += name in ALWAYS
            continue
        median = statistics.median(each.median for each in found)
        fine = sum(each.high <= limit.high for each in found)
        met = median <= limit.median and fine >= 2
        missed += not met
        print(
            f"ours / {name}: {median:.3f}, limit {limit.median}; upper end at most {limit.high} in"
            f" {fine} of {len(found)} runs: {'met' if met else 'missed'}"
        )
    return 1 if missed else 0


def recording(record: RunRecord, seconds: float) -> int:
    """Print what recording took of `seconds` that our windows took; return the exit code."""
    for name, spent in zip(("seconds", "cpu_seconds"), record.spent):
        print(f"recording: {100 * spent / seconds:.2f} % of the loop's seconds ({name})")
    return int(max(record.spent) > LARGEST_RECORDING * seconds)


def alone(kind: str) -> float:
    """Return ms per step of a process of its own: our settings, or TensorFlow's defaults."""
    told = subprocess.run(
        [sys.executable, __file__, kind], stdout=subprocess.PIPE, text=True, check=True
    )
    return float(told.stdout)


def time_alone(kind: str) -> int:
    tf_compat.configure(hide_gpus=True, deterministic=False)
    if kind == "defaults":
        del os.environ["TF_ENABLE_ONEDNN_OPTS"]
    once = timed(of_steps(rivals.hand_written(mnist.load(files.cache_folder()).train, 0)))
    once()
    print(1000 * statistics.median(once().wall for _ in range(REPEATS)) / STEPS)
    return 0


def main(kind: Optional[str] = None) -> int:
    if kind is not None:
        return time_alone(kind)
    download.fetch(files.cache_folder(), lambda name, share: None)
    data = mnist.load(files.cache_folder())
    tf_compat.configure(hide_gpus=True, deterministic=False)
    with tempfile.TemporaryDirectory() as made, contextlib.ExitStack() as stack:
        record = open_our_record(Path(made), stack)
        measured = variants(data, Path(made), our_round(data, record, stack))
        seen = [measure(measured, ROUNDS) for _ in range(RUNS)]
        code = verdicts([report(each) for each in seen])
        loop = sum(spent.wall for each in seen for spent in each[OURS])
        code |= recording(record, loop)
    pairs: List[Tuple[float, float]] = []
    for turn in range(REPEATS):
        order = ("defaults", "ours") if turn % 2 else ("ours", "defaults")
        found = {name: alone(name) for name in order}
        pairs.append((found["defaults"], found["ours"]))
    factor = ratio(*zip(*pairs))
    print(f"TensorFlow's defaults / our settings, one loop, processes of their own: {factor}")
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
