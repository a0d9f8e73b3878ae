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


def no_such_node(nodes):
    nodes["end"].input[0] = "nowhere"


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (no_type, "end: this Sigmoid has no attribute T"),
        (bad_slot, 'end: its input "flat:out:0" is no node'),
        (missing_output, 'its input "flat:3" is no output of that node'),
        (no_input, "same: this Identity has no input"),
        (no_such_node, 'end: its input "nowhere" is no node'),
    ],
)
def test_a_damaged_graph_is_told_in_words(damage, told):
    graph_def, fetches = graph_of(build)
    damage({node.name: node for node in graph_def.node})
    with pytest.raises(GraphError, match=r"try:") as caught:
        assign(graph_def, MIX, fetches=fetches)
    assert told in str(caught.value)
