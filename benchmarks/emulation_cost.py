"""What emulating a precision mode costs a training step, against the float32 step of our loop.

python benchmarks/emulation_cost.py: for each mode the ratio of seconds per step, emulated /
float32, without loss scaling and with a dynamic scale that reads the float status in every step.
In each round every variant makes 50 steps, in a new order. "float32, twice" is one step built
two times: it says how far to trust the rest. Then steps that really overflow. Both sides run on
this CPU: no figure here says anything about the chip.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import sys
import time
from typing import Any, Callable, Dict, List, NamedTuple, Sequence

import hydra
from paired import Ratio, measure, ratio

from lenet_exp import tf_compat
from lenet_exp.config.cli.command_line import CONF
from lenet_exp.config.compose import register_resolvers, resolve
from lenet_exp.data import download, files, mnist
from lenet_exp.experiment import backends, graphs
from lenet_exp.precision import emulate

ROUNDS, STEPS, OVERFLOWING_ROUNDS, REPEATS = 20, 50, 7, 2
MIX, ALLOW, FORCE = "allow_mix_precision", "allow_fp32_to_fp16", "force_fp16"
CUBE = "force_fp32"
BASE, TWICE = "float32", "float32, twice"
GOALS = {
    "tf1": {MIX: 1.20, ALLOW: 1.15, FORCE: 1.30},
    "tf2": {MIX: 1.25, ALLOW: 1.20, FORCE: 1.35},
}
OVERFLOWING = 6.0  # what a step may cost that is computed again to the letter
# Adam's usual epsilon is 0 in float16, so that every force_fp16 update would overflow.
LEARNS = "optimizer.epsilon=1e-4"
NEVER = 10**9
SCALES = {
    "no loss scale": ["loss_scale=none"],
    "dynamic scale": [
        "loss_scale=dynamic",
        "loss_scale.init_loss_scale=1024",
        f"loss_scale.incr_every_n_steps={NEVER}",
    ],
}
TOO_LARGE = [
    "loss_scale=dynamic",
    f"loss_scale.init_loss_scale={2.0**40}",
    f"loss_scale.incr_every_n_steps={NEVER}",
    f"loss_scale.decr_every_n_nan_or_inf={NEVER}",
]


class Variant(NamedTuple):
    """A step's mode and the rest of its configuration."""

    mode: str
    overrides: Sequence[str]


class Step(NamedTuple):
    """Makes some steps, returns the seconds of one; how often it rounds to float16."""

    seconds: Callable[[], float]
    roundings: int


def built(variant: Variant, train: mnist.Split, stack: contextlib.ExitStack) -> Step:
    """Return a variant's window of the real loop, in a session of its own."""
    command = [f"precision={variant.mode}", *variant.overrides]
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        settings = resolve(hydra.compose("config", command))
    made = graphs.build_graphs(settings)
    chip = graphs.plan(settings, made)
    opened = backends.CpuBackend(settings, 0).open_runner(made, chip, train, 0, print)
    runner = stack.enter_context(opened)

    def once() -> float:
        start = time.perf_counter()
        runner.make_steps(STEPS)
        return (time.perf_counter() - start) / STEPS

    return Step(once, roundings(emulate(made.step.graph_def, chip.step, reference=True)))


def roundings(made: Any) -> int:
    """Return how many tensors the rules have rounded in a step."""
    half = tf_compat.load().float16.as_datatype_enum
    return sum(n.op == "Cast" and n.attr["DstT"].type == half for n in made.graph_def.node)


def compare(variants: Dict[str, Variant], train: mnist.Split, rounds: int) -> Dict[str, Ratio]:
    """Print each variant's ratio to float32; return them, none if the machine was too noisy."""
    with contextlib.ExitStack() as stack:
        steps = {name: built(variant, train, stack) for name, variant in variants.items()}
        seen = measure({name: step.seconds for name, step in steps.items()}, rounds)
    base = seen[BASE]
    control = ratio(seen[TWICE], base)
    trusted = abs(control.median - 1) <= 0.03 and control.high - control.low <= 0.10
    load = os.getloadavg()[0]
    print(f"  load {load:.1f}; float32 {1000 * statistics.median(base):.2f} ms a step")
    print(f"  {TWICE:<36} {control}" + ("" if trusted else "  not measured"))
    found = {}
    for name, step in steps.items():
        if name in (BASE, TWICE):
            continue
        found[name] = ratio(seen[name], base)
        more = statistics.median(one - other for one, other in zip(seen[name], base))
        each = f"{1e6 * more / step.roundings:.1f} us a rounding ({step.roundings})"
        print(f"  {name:<36} {found[name]}  {each}")
    return found if trusted else {}


def modes(overrides: Sequence[str]) -> Dict[str, Variant]:
    """Return the modes that round, and the two float32 steps."""
    names = {BASE: "must_keep_origin_dtype", TWICE: "must_keep_origin_dtype"}
    names.update((mode, mode) for mode in (MIX, ALLOW, FORCE, CUBE))
    return {name: Variant(mode, overrides) for name, mode in names.items()}


def overflowing() -> Dict[str, Variant]:
    """Return steps whose gradients overflow, and one whose update does."""
    found = modes([LEARNS, *TOO_LARGE])
    found[f"{FORCE}, epsilon 0 in float16"] = Variant(FORCE, SCALES["no loss scale"])
    return found


def verdict(name: str, ratios: List[Ratio], goal: float) -> int:
    """Print whether a goal is met; return how many were missed."""
    if not ratios:
        print(f"{name}: not measured")
        return 1
    median = statistics.median(each.median for each in ratios)
    print(f"{name}: {median:.3f}, goal {goal}: {'met' if median <= goal else 'missed'}")
    return int(median > goal)


def main() -> int:
    download.fetch(files.cache_folder(), lambda name, share: None)
    train = mnist.load(files.cache_folder()).train
    tf_compat.configure(hide_gpus=True, deterministic=False)
    register_resolvers()
    found: Dict[str, List[Dict[str, Ratio]]] = {}
    for turn in range(REPEATS):
        for scale, overrides in SCALES.items():
            print(f"{scale}, run {turn + 1}")
            seen = compare(modes([LEARNS, *overrides]), train, ROUNDS)
            found.setdefault(scale, []).append(seen)
    print("steps that overflow")
    worst = compare(overflowing(), train, OVERFLOWING_ROUNDS)
    print(f"\nemulation cost on {tf_compat.stack()}")
    missed = 0
    for scale, runs in found.items():
        for mode, goal in GOALS[tf_compat.stack()].items():
            ratios = [run[mode] for run in runs if mode in run]
            missed += verdict(f"{mode}, {scale}", ratios, goal)
    for name, seen in worst.items():
        missed += verdict(f"{name}, overflowing", [seen], OVERFLOWING)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
