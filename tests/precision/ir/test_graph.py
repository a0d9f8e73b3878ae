"""Graph files that are none are told in words."""

from __future__ import annotations

import pytest

from lenet_exp.errors import GraphError
from lenet_exp.precision import assign
from tests.precision.small import MIX, floats, graph_of


def build(tf):
    x = floats(tf, "x")
    return tf.sigmoid(tf.reshape(tf.identity(x, name="same"), [32], name="flat"), name="end")


def no_type(nodes):
    del nodes["end"].attr["T"]


def bad_slot(nodes):
    nodes["end"].input[0] = "flat:out:0"


def missing_output(nodes):
    nodes["end"].input[0] = "flat:3"


def no_input(nodes):
    del nodes["same"].input[:]


def too_many_inputs(nodes):
    nodes["end"].input.append("flat")


def other_type(nodes):
    nodes["end"].attr["T"].type = 2


def unknown_type(nodes):
    nodes["end"].attr["T"].type = 999


def no_name(nodes):
    nodes["end"].name = ""


def long_name(nodes):
    nodes["end"].name = "n" * 20_000


def twice(nodes):
    nodes["end"].name = "flat"


def no_such_node(nodes):
    nodes["end"].input[0] = "nowhere"


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (no_type, "end: this Sigmoid has no attribute T"),
        (bad_slot, 'end: its input "flat:out:0" is no node'),
        (missing_output, 'its input "flat:3" is no output of that node'),
        (no_input, "same: this Identity has no input"),
        (too_many_inputs, "end: it has 2 inputs, and a Sigmoid like this takes 1"),
        (other_type, "end: its input 0 is float32, and this Sigmoid takes float64"),
        (unknown_type, "end: this Sigmoid has no attribute T that is a type"),
        (no_name, "the name of this Sigmoid has 0 characters"),
        (long_name, "the name of this Sigmoid has 20000 characters"),
        (twice, "flat: two nodes have this name"),
        (no_such_node, 'end: its input "nowhere" is no node'),
    ],
)
def test_a_damaged_graph_is_told_in_words(damage, told):
    graph_def, _ = graph_of(build)
    damage({node.name: node for node in graph_def.node})
    with pytest.raises(GraphError, match=r"try:") as caught:
        assign(graph_def, MIX)
    assert told in str(caught.value)
