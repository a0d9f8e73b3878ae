"""A plan of the part of a step that runs."""

from __future__ import annotations

from lenet_exp.precision import assign
from lenet_exp.precision.diagnosis.branches import restricted
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
