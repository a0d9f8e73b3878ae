"""Threads of a run on the CPU: a process of its own, which has one pool of them."""

from __future__ import annotations

import subprocess
import sys

COUNT = """
import os, sys
from lenet_exp import tf_compat
from lenet_exp.experiment import backends, graphs
from lenet_exp.config.cli.command_line import settings_to_explain

tf_compat.configure(hide_gpus=True, deterministic=False)
settings = settings_to_explain([*sys.argv[2:], "hardware=cpu"])
with backends.claimed(settings, cores=int(sys.argv[1])) as machine:
    built = graphs.build_graphs(settings)
    graphs.plan(settings, built)  # folds constants in a session
    graph = tf_compat.load().Graph()
    with graph.as_default():
        product = tf_compat.load().matmul(*[[[1.0]]] * 2)
    with machine.open_session(graph) as session:
        session.run(product)
        print(len(os.listdir("/proc/self/task")))
"""


def threads_of(cores, *words):
    command = [sys.executable, "-c", COUNT, str(cores), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_a_run_has_the_threads_that_it_asks_for_or_its_share():
    few = threads_of(0, "threads=1")
    assert threads_of(0, "threads=7") >= few + 6
    assert threads_of(7) >= few + 6
    assert threads_of(7, "deterministic=true") == few
