"""How the time of a plan grows with the graph, and LeNet's against its first session call.

python benchmarks/plan_time.py: graphs of about 500 to 20 000 operators, in interleaved rounds.
Time per operator must stay within 1.5x of constant, and LeNet's plan below the first call.
"""

from __future__ import annotations

import functools
import statistics
import sys
import time
from typing import Any

import numpy as np
from paired import measure

from lenet_exp import tf_compat
from lenet_exp.config.schema.run import Adam, NoLossScale
from lenet_exp.model import lenet
from lenet_exp.precision import assign
from lenet_exp.training.graphs import build_step

SIZES = (500, 2000, 8000, 20_000)
ROUNDS = 5
LIMIT = 1.5
OPERATORS_PER_LAYER = 8  # forward, backward and update of a dense layer with its sigmoid


def deep_network(operators: int) -> Any:
    """Return the training graph of a network of dense layers with about so many operators."""
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        hidden = tf.placeholder(tf.float32, [8, 4], "x")
        for number in range(operators // OPERATORS_PER_LAYER):
            weight = tf.get_variable(f"weight{number}", [4, 4])
            bias = tf.get_variable(f"bias{number}", [4])
            hidden = tf.sigmoid(tf.nn.bias_add(tf.matmul(hidden, weight), bias))
        loss = tf.reduce_mean(hidden, name="loss")
        tf.train.MomentumOptimizer(0.1, 0.9).minimize(loss, name="train")
    return graph.as_graph_def()


def seconds_of_plan(graph_def: Any, fetches: Any) -> float:
    begun = time.perf_counter()
    assign(graph_def, "allow_mix_precision", fetches=fetches)
    return time.perf_counter() - begun


def growth() -> bool:
    graphs = {size: deep_network(size) for size in SIZES}
    counts = {
        size: len(assign(graph, "allow_mix_precision", fetches=["train", "loss"]).operators)
        for size, graph in graphs.items()
    }
    variants = {
        str(size): functools.partial(seconds_of_plan, graph, ["train", "loss"])
        for size, graph in graphs.items()
    }
    seen = measure(variants, ROUNDS)
    each = {}
    for size in SIZES:
        seconds = min(seen[str(size)])  # other work on the machine only adds
        each[size] = seconds / counts[size]
        print(f"{counts[size]:6d} operators: {seconds:7.3f} s, {each[size] * 1e6:4.0f} us each")
    slowest, fastest = max(each.values()), min(each.values())
    # Of the constant in the middle, by factors.
    distance = (slowest / fastest) ** 0.5
    print(f"slowest / fastest per operator {slowest / fastest:.2f}: within {distance:.2f}x of")
    print(f"{(slowest * fastest) ** 0.5 * 1e6:.0f} us each, limit {LIMIT}x")
    return distance <= LIMIT


def first_call(step: Any) -> float:
    """Return what a session's first training call takes, its initialisers apart."""
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(step.graph_def, name="")
    feed = {
        step.images: np.zeros([64, *lenet.IMAGE_SHAPE], np.float32),
        step.labels: np.zeros([64], np.int32),
    }
    with tf.Session(graph=graph) as session:
        session.run(step.init)
        begun = time.perf_counter()
        session.run([step.train, step.loss], feed)
        return time.perf_counter() - begun


def lenet_is_quick() -> bool:
    step = build_step(
        lenet.logits,
        lenet.IMAGE_SHAPE,
        64,
        Adam("adam", 0.001, 0.9, 0.999, 1e-8),
        NoLossScale("none"),
        seed=0,
    )
    fetches = (step.train, step.loss)
    variants = {
        "plan": functools.partial(seconds_of_plan, step.graph_def, fetches),
        "first call": functools.partial(first_call, step),
    }
    seen = {name: statistics.median(times) for name, times in measure(variants, 9).items()}
    told = ", ".join(f"{name} {seconds * 1000:.0f} ms" for name, seconds in seen.items())
    print(f"LeNet: {told}")
    return seen["plan"] < seen["first call"]


def main() -> int:
    tf_compat.configure(hide_gpus=True, deterministic=False)
    results = [lenet_is_quick(), growth()]
    print("met" if all(results) else "missed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
