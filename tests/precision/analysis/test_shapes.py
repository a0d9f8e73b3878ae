"""What is known of shapes, and that asking takes no memory."""

from __future__ import annotations

import pytest

from lenet_exp import tf_compat
from lenet_exp.precision import assign, report
from lenet_exp.precision.analysis.shapes import all_shapes
from lenet_exp.precision.ir.graph import read_graph
from lenet_exp.precision.ir.names import Tensor
from lenet_exp.precision.target.modes import Generation


def add(graph_def, name, op, *inputs, shape=None, **types):
    node = graph_def.node.add(name=name, op=op, input=inputs)
    for key, dtype in types.items():
        node.attr[key].type = tf_compat.load().as_dtype(dtype).as_datatype_enum
    if shape is not None:
        node.attr["shape"].shape.SetInParent()
        for size in shape:
            node.attr["shape"].shape.dim.add(size=size)
    return node


def reshaped(make):
    """Return a graph in which what `make` adds, named sizes, says the shape of r."""
    graph_def = tf_compat.load().GraphDef()
    graph_def.versions.producer = 22
    add(graph_def, "x", "Placeholder", shape=(4,), dtype="float32")
    make(graph_def)
    add(graph_def, "r", "Reshape", "x", "sizes", T="float32", Tshape="int32")
    add(graph_def, "s", "Sigmoid", "r", T="float32")
    return graph_def


def placeholder(size):
    return lambda g: add(g, "sizes", "Placeholder", shape=(size,), dtype="int32")


def variable(size):
    return lambda g: add(g, "sizes", "VariableV2", shape=(size,), dtype="int32")


def resource(size):
    def make(graph_def):
        add(graph_def, "handle", "VarHandleOp", shape=(size,), dtype="int32")
        add(graph_def, "sizes", "ReadVariableOp", "handle", dtype="int32")

    return make


@pytest.mark.parametrize("make", [placeholder, variable, resource])
def test_a_vector_that_no_shape_can_be_takes_no_memory_where_one_is_made_of_it(make):
    for size, rank in ((2, True), (2**40, False)):
        graph = read_graph(reshaped(make(size)))
        shapes = all_shapes(graph, Generation.TODAY)
        assert (shapes[Tensor("sizes", 0)] == (size,)) is rank
        assert shapes[Tensor("s", 0)] is None
    plan = assign(reshaped(make(2**40)), "allow_mix_precision", fetches=["s"])
    assert report(plan).warnings == ()


RANKS = [
    # the ranks of both sides of a product, what is said
    ((2, 2), None),
    ((0, 0), "m: TensorFlow can't make it: Shape must be rank 2 but is rank 0"),
    ((2, 1), "m: TensorFlow can't make it: Shape must be rank 2 but is rank 1"),
]


@pytest.mark.parametrize(("ranks", "said"), RANKS)
@pytest.mark.parametrize("producer", [22, 134])
def test_ranks_that_can_not_be_are_told_where_a_plan_is_reported(ranks, said, producer):
    graph_def = tf_compat.load().GraphDef()
    graph_def.versions.producer = producer
    for name, rank in zip("ab", ranks):
        add(graph_def, name, "Placeholder", shape=(3,) * rank, dtype="float32")
    add(graph_def, "m", "MatMul", "a", "b", T="float32")
    read = report(assign(graph_def, "allow_mix_precision", fetches=["m"]))
    if said is None:
        assert (read.warnings, read.totals.uncounted) == ((), ())
    else:
        (warning,) = read.warnings
        assert warning.startswith(f"no cost is counted: {said}")
        assert "m" in read.totals.uncounted
