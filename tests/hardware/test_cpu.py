"""Threads of a run on the CPU: a process of its own, which has one pool of them."""

from __future__ import annotations

import subprocess
import sys

from tests.stacks import full_on_tf1

COUNT = """
import os, sys
from lenet_exp import tf_compat
from lenet_exp.experiment import backends, graphs
from lenet_exp.config.cli.command_line import settings_to_explain

tf_compat.configure(hide_gpus=True, deterministic=False)
tf_compat.load()

def count(cores, *words):
    settings = settings_to_explain([*words, "hardware=cpu"])
    with backends.claimed(settings, cores=int(cores)) as machine:
        if "precision=force_fp16" in words:
            graphs.plan(settings, graphs.build_graphs(settings))  # folds constants in a session
        graph = tf_compat.load().Graph()
        with graph.as_default():
            product = tf_compat.load().matmul(*[[[1.0]]] * 2)
        with machine.open_session(graph) as session:
            session.run(product)
            return len(os.listdir("/proc/self/task"))

for run in sys.argv[1:]:  # a child for each, before any session
    if os.fork():
        assert os.wait()[1] == 0
    else:
        print(count(*run.split()), flush=True)
        os._exit(0)
"""


def threads_of(*runs):
    """Return how many threads each run has, in a process of its own, of "cores setting ..."."""
    command = [sys.executable, "-c", COUNT, *runs]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [int(line) for line in done.stdout.split()]


@full_on_tf1
def test_a_run_has_the_threads_that_it_asks_for_or_its_share():
    few, asked, share, fixed = threads_of(
        "0 threads=1", "0 threads=7 precision=force_fp16", "7", "7 deterministic=true"
    )  # fmt: skip
    assert asked >= few + 6
    assert share >= few + 6
    assert fixed == few
