"""A plan of the part of a step that runs."""

from __future__ import annotations

import pytest

from lenet_exp import tf_compat
from lenet_exp.precision import assign
from lenet_exp.precision.diagnosis.branches import open_choices, restricted, taken
from tests.precision.small import MIX, graph_of, halves


def test_a_fused_operator_of_which_a_part_does_not_run_goes_with_its_casts():
    def biased(tf):
        return tf.nn.bias_add(halves(tf), tf.get_variable("bias", [8]), name="sum")

    graph_def, fetches = graph_of(biased)
    plan = assign(graph_def, MIX, fetches=fetches)
    fused = next(row for row in plan.operators if len(row.parts) > 1)
    assert fused.name in {edge.consumer for edge in plan.casts}
    names = {node.name for node in plan.graph_def.node} - {"sum"}
    left = restricted(plan, plan.graph_def, names)
    assert fused not in left.operators
    assert {edge.consumer for edge in left.casts} <= {row.name for row in left.operators}


@pytest.mark.parametrize("phase", [True, False])
def test_what_waits_for_a_choice_runs_whichever_is_taken(phase):
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        product, which = halves(tf), tf.placeholder(tf.bool, [], "phase")
        chosen = tf.cond(which, lambda: product * 2.0, lambda: tf.tanh(product))
        loss = tf.reduce_mean(chosen, name="loss")
        tf.train.GradientDescentOptimizer(0.1).minimize(loss, name="train")
    plan = assign(graph.as_graph_def(), MIX, fetches=["train", "loss"])
    conditions = open_choices(plan)
    left = taken(plan, dict.fromkeys(conditions, phase))
    assert conditions
    assert {"train", "loss"} <= {node.name for node in left.graph_def.node}
    made = {node.name: node for node in left.graph_def.node}
    for edge in left.casts:
        assert edge.producer.node in made
        assert edge.port.slot < len(made[edge.port.node].input)
    assert ("Tanh" in {row.ge_type for row in left.operators}) is not phase
