"""Random graphs of library operators with gradients: what holds for every plan."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import lenet_exp.precision
from lenet_exp import tf_compat
from lenet_exp.precision import assign
from tests.precision.small import ALLOW, CUBE, FORCE, KEEP, MIX

TABLE = json.loads(
    (Path(lenet_exp.precision.__file__).parent / "target" / "ascend910_ops.json").read_text()
)
LETTERS = {"h": "float16", "f": "float32", "i": "int32", "l": "int64", "b": "bool",
           "c": "int8", "u": "uint8", "d": "float64", "s": "int16", "t": "uint16",
           "v": "uint32", "w": "uint64"}  # fmt: skip
MODES = (MIX, ALLOW, FORCE, KEEP, CUBE)

# [2, 4, 4, 3] -> [2, 4, 4, 3], differentiable; `other` is an earlier tensor.
STEPS = {
    "conv": lambda tf, x, other, n: tf.nn.conv2d(x, kernel(tf, n), [1] * 4, "SAME"),
    "conv bias": lambda tf, x, other, n: tf.nn.bias_add(
        tf.nn.conv2d(x, kernel(tf, n), [1] * 4, "SAME"), tf.get_variable(f"bias{n}", [3])
    ),
    "matmul": lambda tf, x, other, n: tf.reshape(
        tf.matmul(tf.reshape(x, [-1, 3]), tf.get_variable(f"square{n}", [3, 3])), [2, 4, 4, 3]
    ),
    "relu": lambda tf, x, other, n: tf.nn.relu(x),
    "sigmoid": lambda tf, x, other, n: tf.sigmoid(x),
    "tanh": lambda tf, x, other, n: tf.tanh(x),
    "exp": lambda tf, x, other, n: tf.exp(x),
    "log": lambda tf, x, other, n: tf.log(x),
    "square": lambda tf, x, other, n: tf.square(x),
    "pool": lambda tf, x, other, n: tf.nn.max_pool(x, [1, 2, 2, 1], [1] * 4, "SAME"),
    "add": lambda tf, x, other, n: tf.add(x, other),
    "mul": lambda tf, x, other, n: tf.multiply(other, x),
    "bias": lambda tf, x, other, n: tf.nn.bias_add(x, tf.get_variable(f"bias{n}", [3])),
    "variable": lambda tf, x, other, n: tf.multiply(tf.get_variable(f"gain{n}", [1]), x),
    "transpose": lambda tf, x, other, n: tf.transpose(x, [0, 2, 1, 3]),
    "there and back": lambda tf, x, other, n: tf.cast(tf.cast(x, tf.float16), tf.float32),
    "concat": lambda tf, x, other, n: tf.concat([x[..., :1], other[..., 1:]], 3),
    "expand": lambda tf, x, other, n: tf.squeeze(tf.expand_dims(x, 0), [0]),
    "mean": lambda tf, x, other, n: x * tf.reduce_mean(other),
    "identity": lambda tf, x, other, n: tf.identity(x),
}


def kernel(tf, number):
    return tf.get_variable(f"kernel{number}", [3, 3, 3, 3])


recipes = st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 100)), min_size=5,
                   max_size=20)  # fmt: skip


def training_graph(recipe):
    """Return a GraphDef of these steps, each on the last tensor and an earlier one."""
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        made = [tf.placeholder(tf.float32, [2, 4, 4, 3], "x")]
        for number, (name, back) in enumerate(recipe):
            made.append(STEPS[name](tf, made[-1], made[back % len(made)], number))
        gain = tf.get_variable("last_gain", [3])
        loss = tf.reduce_mean(made[-1] * gain, name="loss")
        # Else an update may overtake a gradient that reads the same variable.
        gate = tf.train.Optimizer.GATE_GRAPH
        tf.train.MomentumOptimizer(0.1, 0.9).minimize(loss, name="train", gate_gradients=gate)
    return graph.as_graph_def()


def columns_of(row, generation):
    """Return the (inputs, outputs) the table has for a row, read here anew."""
    entry = TABLE["ops"].get(row.ge_type, {"cols": []})
    texts, other = entry.get("cols"), entry.get("other", [])
    if generation == "2021":
        texts, other = entry.get("cols_2021", texts), entry.get("other_2021", other)
    found = []
    for text in texts + other:
        inputs, outputs = ([LETTERS[letter] for letter in part] for part in text.split(">"))
        if entry["in"][0].endswith("*"):
            inputs = inputs[:1] * (len(row.inputs) - len(inputs) + 1) + inputs[1:]
        elif row.ge_type == "SplitD":
            outputs = outputs * len(row.outputs)
        found.append((tuple(inputs[: len(row.inputs)]), tuple(outputs[: len(row.outputs)])))
    return found


def check(graph_def, mode, generation):
    plan = assign(graph_def, mode, generation=generation, fetches=["train", "loss"])
    made = {}
    for row in plan.operators:
        if row.engine == "ai_core" or row.rule in ("gray", "white", "black", "forced"):
            assert (row.inputs, row.outputs) in columns_of(row, generation), row
        else:
            assert row.rule in ("ai_cpu", "refused", "keep")
            assert (row.inputs, row.outputs) == (row.origin_inputs, row.origin_outputs)
        assert row.reason
        made.update(zip(filter(None, row.results), row.outputs))
    edges = {(edge.consumer, edge.slot): edge for edge in plan.casts}
    assert set(edges) == {(row.name, slot) for row in plan.operators for slot in row.casts}
    check_edges(plan, made, edges)
    return plan


def check_edges(plan, made, edges):
    """A cast stands on exactly the edges whose ends differ."""
    nodes = {node.name: node for node in plan.graph_def.node}
    for row in plan.operators:
        for slot, port in enumerate(row.ports):
            if port is None:
                continue
            producer = through_identities(nodes, nodes[port.node].input[port.slot])
            before = made.get(producer, row.origin_inputs[slot])
            edge = edges.get((row.name, slot))
            assert (edge is not None) is (before != row.inputs[slot]), (row, slot)
            if edge is not None:
                assert (edge.source, edge.target) == (before, row.inputs[slot])
                assert (edge.producer, edge.port) == (producer, port)


def through_identities(nodes, text):
    name, _, slot = text.partition(":")
    while nodes[name].op in ("Identity", "ReadVariableOp"):
        name, _, slot = nodes[name].input[0].partition(":")
    return (name, int(slot or 0))


def renamed_and_shuffled(graph_def, seed):
    random = np.random.RandomState(seed)
    order = random.permutation(len(graph_def.node))
    names = {node.name: f"n{place}" for node, place in zip(graph_def.node, order)}
    made = type(graph_def)(versions=graph_def.versions)
    for index in random.permutation(len(graph_def.node)):
        node = made.node.add()
        node.CopyFrom(graph_def.node[index])
        node.name = names[node.name]
        if "_class" in node.attr:
            del node.attr["_class"]
        inputs = list(node.input)
        del node.input[:]
        for text in inputs:
            mark = "^" if text.startswith("^") else ""
            name, colon, slot = text.lstrip("^").partition(":")
            node.input.append(mark + names[name] + colon + slot)
    return made, names


def check_renaming(graph_def, mode, plan, seed):
    """Other names and another order give the same rows under the other names."""
    other, names = renamed_and_shuffled(graph_def, seed)
    again = assign(other, mode, fetches=[names["train"], names["loss"]])
    pick = ("ge_type", "inputs", "outputs", "casts", "colour", "rule", "engine")
    expected = {names[row.name]: [getattr(row, key) for key in pick] for row in plan.operators}
    assert {row.name: [getattr(row, key) for key in pick] for row in again.operators} == expected
    removed = {(names[e.consumer], e.slot) for e in plan.casts if e.removed}
    assert {(e.consumer, e.slot) for e in again.casts if e.removed} == removed
    gone = sorted(names[cast.name] for cast in plan.removed_casts)
    assert sorted(cast.name for cast in again.removed_casts) == gone


def check_all(recipe, seed):
    graph_def = training_graph(recipe)
    for mode in MODES:
        check(graph_def, mode, "2021")
        plan = check(graph_def, mode, "today")
        check_renaming(graph_def, mode, plan, seed)


common = settings(deadline=None, derandomize=True, database=None, phases=[Phase.generate],
                  suppress_health_check=list(HealthCheck))  # fmt: skip


@settings(common, max_examples=3)
@given(recipes, st.integers(0, 2**31))
def test_every_plan_obeys_the_library(recipe, seed):
    check_all(recipe, seed)


@pytest.mark.full
@settings(common, max_examples=150)
@given(recipes, st.integers(0, 2**31))
def test_every_plan_obeys_the_library_at_length(recipe, seed):
    check_all(recipe, seed)
