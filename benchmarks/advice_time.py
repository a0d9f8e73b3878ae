"""What advice costs, in processor time: other programs on the machine count little then.

python benchmarks/advice_time.py: one diagnosis of LeNet / one float32 step, compiled both, in
interleaved rounds (limit: 10); then python -m lenet_exp.advise / a full float32 training, each
a process of its own (limit: 1). `quick` as an argument leaves the second part out.
"""

from __future__ import annotations

import functools
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Dict

from paired import measure, ratio

from lenet_exp import cpu_session, tf_compat
from lenet_exp.config.cli.command_line import settings_to_explain
from lenet_exp.experiment.steps import Step, lenet_step, plan_of
from lenet_exp.precision.diagnosis.errors import prepared

ROUNDS = 15
STEPS = 10  # are measured as one: a single one is short
TRAINING = ["run", "precision=must_keep_origin_dtype", "schedule=full"]


def seconds_of(call: Callable[[], Any], times: int = 1) -> float:
    """Return the processor time of one call, in seconds."""
    begun = time.process_time()
    for _ in range(times):
        call()
    return (time.process_time() - begun) / times


def of_a_process(call: Callable[[], Any]) -> float:
    """Return the processor time of the process that a call starts and waits for, in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    call()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def float32_step(step: Step) -> Callable[[], Any]:
    """Return what makes one step of the graph as it is."""
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(step.graph_def, name="")
        init = [op for op in graph.get_operations() if op.name == "init"]
    session = cpu_session.open_session(graph, 0)
    session.run(init)
    return functools.partial(session.run, list(step.fetches), step.feeds(0))


def processes(folder: str) -> Dict[str, float]:
    """Return the seconds of an advice and of a full training in float32, starts included."""
    path = os.pathsep.join([str(Path(__file__).resolve().parent.parent), *sys.path])
    found = {}
    for words in (["advise"], TRAINING):
        command = [sys.executable, "-m", f"lenet_exp.{words[0]}", *words[1:]]
        options: Dict[str, Any] = {"cwd": folder, "stdout": subprocess.DEVNULL, "check": True}
        run = functools.partial(subprocess.run, command, env={**os.environ, "PYTHONPATH": path})
        whole = functools.partial(run, stderr=subprocess.DEVNULL, **options)
        found[words[0]] = of_a_process(whole)
    return found


def main() -> None:
    tf_compat.configure(hide_gpus=True, deterministic=False)
    settings = settings_to_explain(["precision=force_fp16"])
    step = lenet_step(settings)
    with prepared(plan_of(step, settings), step.values, step.feeds(0)) as diagnose:
        exact = float32_step(step)
        variants = {
            "diagnosis": functools.partial(seconds_of, diagnose),
            "step": functools.partial(seconds_of, exact, STEPS),
        }
        seen = measure(variants, ROUNDS)
    print(f"diagnosis / float32 step {ratio(seen['diagnosis'], seen['step'])}")
    if "quick" in sys.argv[1:]:
        return
    with tempfile.TemporaryDirectory() as folder:
        took = processes(folder)
    told = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in took.items())
    print(f"advise / full float32 training {took['advise'] / took['run']:.3f}; {told}")


if __name__ == "__main__":
    main()
