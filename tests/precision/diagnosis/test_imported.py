"""A person's nodes in a graph of ours, and what is fed to them."""

from __future__ import annotations

import numpy as np

from lenet_exp import cpu_session, tf_compat
from lenet_exp.precision.diagnosis.refusals import computed, imported
from lenet_exp.precision.ir.builder import Nodes


def nodes_of(shapes):
    """Return two placeholders and a concatenation of both, which their shapes may rule out."""
    nodes, tf = Nodes(), tf_compat.load()
    for name, shape in zip("xy", shapes):
        kinds = {"dtype": tf.float32, "shape": tf.TensorShape(shape)}
        nodes.add("Placeholder", [], "", final=name, **kinds)
    kinds = {"N": 2, "T": tf.float32, "Tidx": tf.int32}
    nodes.add("ConcatV2", ["x", "y", nodes.constant(1, np.int32)], "", final="joined", **kinds)
    made = tf.GraphDef(versions=tf.Graph().graph_def_versions)
    made.node.extend(nodes.made)
    return made


def test_what_the_shapes_of_a_step_rule_out_is_imported_and_need_not_run():
    with tf_compat.load().Graph().as_default() as graph:
        imported(nodes_of([[4, 6], [1, 1]]))
    with cpu_session.open_session(graph, 1) as session:
        x = np.ones([4, 6], np.float32)
        assert np.array_equal(computed(session, "x:0", {"x:0": x, "gone:0": x}), x)
