"""What force_fp32 does to a graph that has float16 of its own: it is float32 on the chip."""

from __future__ import annotations

import numpy as np
import pytest

from lenet_exp.errors import GraphError
from lenet_exp.precision import assign, emulate
from tests.precision.chip import compute
from tests.precision.emulation.test_emulate import BOTH
from tests.precision.small import CUBE, FORCE, graph_of


def halves_of_the_graph(tf):
    return tf.sigmoid(tf.placeholder(tf.float16, [4, 8], "x"))


def half_variable(tf):
    variable = tf.raw_ops.VariableV2(shape=[4, 8], dtype=tf.float16, name="variable")
    return tf.raw_ops.Assign(ref=variable, value=halves_of_the_graph(tf), name="written")


@BOTH
def test_a_float16_operator_is_computed_in_float32(reference):
    x = np.random.RandomState(0).randn(4, 8).astype(np.float16).astype(np.float32)
    (got,), flag = compute(halves_of_the_graph, {"x:0": x}, CUBE, reference=reference)
    np.testing.assert_allclose(got, 1 / (1 + np.exp(-x.astype(np.float64))), rtol=1e-6)
    assert not flag


def test_a_float16_variable_is_not_given_float32():
    graph_def, names = graph_of(half_variable)
    emulate(graph_def, assign(graph_def, FORCE, fetches=names))
    with pytest.raises(GraphError, match="written: a float16 variable that float32 is written to"):
        emulate(graph_def, assign(graph_def, CUBE, fetches=names))
