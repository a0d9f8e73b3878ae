"""What is fed to a training graph of anybody's: NAME.json beside NAME.meta, or its placeholders.

    {"feeds": {"images:0": {"dtype": "float32", "shape": [2, 64, 64, 3], "range": [-1, 1]},
               "labels:0": {"dtype": "int32", "shape": [2], "range": [0, 9]},
               "keep_prob:0": {"dtype": "float32", "shape": [], "value": 0.5}},
     "fetches": ["train", "loss:0"], "init": "init", "seed": 7, "plan_only": false}

A feed has one `value`, or is drawn anew in each step, evenly from `range`, both ends of an integer
range included. `fetches` are the operations and tensors of one step; by default what the MetaGraph
names. `init` initialises all variables; by default the initialisers of the MetaGraph's collections.
A graph that is `plan_only` is too large to be run. Other keys (a source, a note) are not read.
A random operator without a seed gets one.

Without a JSON the placeholders are fed: unknown dimensions are 4, floats are from 0 to 1, integers
0 or 1, a bool is true.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Sequence

import numpy as np

from lenet_exp import tf_compat
from lenet_exp.precision import load_graph

UNKNOWN_DIMENSION = 4


class Network(NamedTuple):
    """A training graph, what a step of it fetches and is fed, and how its variables begin."""

    name: str
    path: Path
    graph_def: Any
    fetches: Sequence[str]
    feeds: Dict[str, Dict[str, Any]]
    init: str
    seed: int
    plan_only: bool


def read_network(path: Path) -> Network:
    """Return the graph in a .meta file and what is said beside it."""
    loaded = load_graph(path)
    _seed(loaded.graph_def)
    beside = path.with_suffix(".json")
    said = json.loads(beside.read_text()) if beside.exists() else {}
    return Network(
        name=path.stem,
        path=path,
        graph_def=loaded.graph_def,
        fetches=said.get("fetches", loaded.fetches),
        feeds=said.get("feeds") or feeds_of_placeholders(loaded.graph_def),
        init=said.get("init") or "",
        seed=said.get("seed", 0),
        plan_only=said.get("plan_only", False),
    )


def _seed(graph_def: Any) -> None:
    """Give each random operator without a seed one: two sessions then draw the same numbers."""
    bodies = (graph_def.node, *(function.node_def for function in graph_def.library.function))
    nodes = [node for body in bodies for node in body]
    for number, node in enumerate(nodes, 1):
        if "seed2" in node.attr and not (node.attr["seed"].i or node.attr["seed2"].i):
            node.attr["seed2"].i = number


def feeds_of_placeholders(graph_def: Any) -> Dict[str, Dict[str, Any]]:
    """Return a feed for each placeholder, in the form the JSON has."""
    tf, found = tf_compat.load(), {}
    for node in graph_def.node:
        if node.op == "Placeholder":
            dtype = tf.as_dtype(node.attr["dtype"].type)
            dims = node.attr["shape"].shape.dim
            shape = [dim.size if dim.size >= 0 else UNKNOWN_DIMENSION for dim in dims]
            feed = {"dtype": dtype.name, "shape": shape}
            feed.update({"value": True} if dtype == tf.bool else {"range": [0, 1]})
            found[f"{node.name}:0"] = feed
    return found


def drawn(feeds: Dict[str, Dict[str, Any]], seed: int, steps: int) -> List[Dict[str, np.ndarray]]:
    """Return the values of some steps, the same for the same seed."""
    random = np.random.RandomState(seed)
    return [{name: _values(feed, random) for name, feed in feeds.items()} for _ in range(steps)]


def _values(feed: Dict[str, Any], random: np.random.RandomState) -> np.ndarray:
    dtype, shape = np.dtype(feed["dtype"]), feed["shape"]
    if "value" in feed:
        return np.full(shape, feed["value"], dtype)
    low, high = feed["range"]
    if dtype.kind in "iu":
        return random.randint(low, high + 1, shape).astype(dtype)
    return np.asarray(random.uniform(low, high, shape)).astype(dtype)
