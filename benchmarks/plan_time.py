"""How the time of a plan grows with the graph, and LeNet's against its first session call.

python benchmarks/plan_time.py: graphs of about 500 to 20 000 operators, in interleaved rounds, and
a convolutional network of 20 000 nodes as people write them, its moving averages before every
gradient. Time per operator must stay within 1.5x of constant, that of the network within 1.5x of
LeNet's, and LeNet's plan below the first call.

python benchmarks/plan_time.py FILE.meta ...: graphs of your own beside LeNet
(`network_parts/feeds.py` says how a JSON beside one names what it fetches).
"""

from __future__ import annotations

import functools
import statistics
import sys
import time
from pathlib import Path
from typing import Any, Mapping, Sequence, Tuple

import numpy as np
from network_parts.feeds import read_network
from paired import measure

from lenet_exp import tf_compat
from lenet_exp.config.schema.run import Adam, NoLossScale
from lenet_exp.model import lenet
from lenet_exp.precision import assign
from lenet_exp.training.graphs import build_step

SIZES = (500, 2000, 8000, 20_000)
ROUNDS = 5
LIMIT = 1.5
LAYERS = 200  # of the convolutional network: with a hundred nodes each, as YOLOv3 has
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


def normalised_network(layers: int) -> Any:
    """Return the training graph of convolutions with batch normalisation and residuals.

    As tf-slim builds it: every constant of the gradients comes after all moving averages.
    """
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        hidden = tf.placeholder(tf.float32, [None, 8, 8, 4], "x")
        updates = []
        for number in range(layers):
            with tf.variable_scope(f"block{number}"):
                gamma, beta = tf.get_variable("gamma", [4]), tf.get_variable("beta", [4])
                weights = tf.get_variable("weights", [3, 3, 4, 4])
                made = tf.nn.conv2d(hidden, weights, [1, 1, 1, 1], "SAME")
                made, *moments = tf.nn.fused_batch_norm(made, gamma, beta)
                for name, moment in zip(("mean", "variance"), moments):
                    average = tf.get_variable(name, [4], trainable=False)
                    updates.append(tf.assign_sub(average, (average - moment) * 0.01))
                hidden = tf.nn.relu(made) + hidden
        loss = tf.reduce_mean(tf.square(hidden), name="loss")
        with tf.control_dependencies(updates):
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


def are_as_quick_as_lenet(networks: Mapping[str, Tuple[Any, Sequence[str]]]) -> bool:
    """Print the seconds of large networks' plans, and per operator beside LeNet's.

    Args:
        networks: GraphDefs and what they fetch.
    """
    step = lenet_step()
    graphs = {"LeNet": (step.graph_def, (step.train, step.loss)), **networks}
    variants = {name: functools.partial(seconds_of_plan, *graph) for name, graph in graphs.items()}
    seen = measure(variants, ROUNDS)
    each = []
    for name, (graph_def, fetches) in graphs.items():
        count = len(assign(graph_def, "allow_mix_precision", fetches=fetches).operators)
        seconds = min(seen[name])
        each.append(seconds / count)
        size = f"{len(graph_def.node)} nodes, {count} operators"
        print(f"{name}: {size}: {seconds:.3f} s, {each[-1] * 1e6:.0f} us each")
        print(f"  per operator {each[-1] / each[0]:.2f} of LeNet's, limit {LIMIT}")
    return max(each) <= LIMIT * each[0]


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


def lenet_step() -> Any:
    adam, scale = Adam("adam", 0.001, 0.9, 0.999, 1e-8), NoLossScale("none")
    return build_step(lenet.logits, lenet.IMAGE_SHAPE, 64, adam, scale, seed=0)


def lenet_is_quick() -> bool:
    step = lenet_step()
    fetches = (step.train, step.loss)
    variants = {
        "plan": functools.partial(seconds_of_plan, step.graph_def, fetches),
        "first call": functools.partial(first_call, step),
    }
    seen = {name: statistics.median(times) for name, times in measure(variants, 9).items()}
    told = ", ".join(f"{name} {seconds * 1000:.0f} ms" for name, seconds in seen.items())
    print(f"LeNet: {told}")
    return seen["plan"] < seen["first call"]


def main(paths: Sequence[str]) -> int:
    tf_compat.configure(hide_gpus=True, deterministic=False)
    given = [read_network(Path(path)) for path in paths]
    if given:
        results = [are_as_quick_as_lenet({one.name: (one.graph_def, one.fetches) for one in given})]
    else:
        layers = {f"{LAYERS} layers": (normalised_network(LAYERS), ("train", "loss"))}
        results = [lenet_is_quick(), are_as_quick_as_lenet(layers), growth()]
    print("met" if all(results) else "missed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
