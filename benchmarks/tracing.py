"""What precision.trace_overflow=true costs: seconds per step, traced / untraced.

python benchmarks/tracing.py: for each mode that has float16, both in one process, in interleaved
rounds of 10 steps; then the same against an emulation that takes no shortcut. There is no limit:
tracing is for a look, not for a figure.
"""

from __future__ import annotations

import contextlib
import functools
import os
import statistics
import time
from typing import Any, Callable

import hydra
from paired import measure, ratio

from lenet_exp import tf_compat
from lenet_exp.config.cli.command_line import CONF
from lenet_exp.config.compose import register_resolvers, resolve
from lenet_exp.data import download, files, mnist
from lenet_exp.experiment import backends, graphs

MODES = ("allow_mix_precision", "allow_fp32_to_fp16", "force_fp16")
ROUNDS, STEPS = 9, 10


def stepper(
    mode: str, trace: bool, data: mnist.Mnist, stack: contextlib.ExitStack
) -> Callable[[int], Any]:
    register_resolvers()
    preset = "experiment=force_fp16_adam" if mode == "force_fp16" else f"precision={mode}"
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        traced = f"precision.trace_overflow={str(trace).lower()}"
        settings = resolve(hydra.compose("config", [preset, traced]))
    built = graphs.build_graphs(settings)
    plan = graphs.plan(settings, built)
    runner = backends.CpuBackend(settings, 0).open_runner(built, plan, data.train, 0, print)
    return stack.enter_context(runner).make_steps


def seconds_of(run: Callable[[int], Any]) -> float:
    begun = time.perf_counter()
    run(STEPS)
    return (time.perf_counter() - begun) / STEPS


def main() -> None:
    tf_compat.configure(hide_gpus=True, deterministic=False)
    folder = files.cache_folder()
    download.fetch(folder, lambda name, share: None)
    data = mnist.load(folder)
    for mode in MODES:
        with contextlib.ExitStack() as stack:
            variants = {
                name: functools.partial(seconds_of, stepper(mode, trace, data, stack))
                for name, trace in (("traced", True), ("untraced", False))
            }
            seen = measure(variants, ROUNDS)
        told = ", ".join(f"{k} {1000 * statistics.median(v):.1f} ms" for k, v in seen.items())
        found = ratio(seen["traced"], seen["untraced"])
        print(f"{mode:20} traced / untraced {found}; {told}; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
