"""Tensors as one long tensor and back: every value in its place, with few nodes."""

from __future__ import annotations

import numpy as np
import pytest

from lenet_exp import tf_compat
from lenet_exp.precision.emulation.exact.packing import Packing
from lenet_exp.precision.ir.builder import Nodes
from tests.precision.chip import Run, session_of
from tests.precision.small import graph_of

# id -> shapes, how many nodes besides constants take them into one and back
SHAPES = {
    "one": ([(2, 3)], 2),
    "alike but for the first dimension": ([(2, 3), (4, 3), (1, 3)], 4),
    "vectors": ([(2,), (5,), (1,)], 2),
    "scalars": ([(), (), ()], 2),
    "a scalar": ([()], 2),
    "all sorts": ([(2, 3), (), (5,), (4, 3), (3, 2), (), (1,), (2, 3, 4)], 14),
    "large ones by themselves": ([(128, 129), (128, 129)], 6),
    "nothing in one": ([(0, 3), (2, 3)], 4),
}


@pytest.mark.parametrize(("shapes", "count"), SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("control", [False, True], ids=["at once", "after others"])
def test_what_was_packed_comes_back(shapes, count, control):
    def variables(tf):
        return [tf.get_variable(f"v{i}", shape)._ref() for i, shape in enumerate(shapes)]

    graph_def, _ = graph_of(variables)
    nodes = Nodes(node.name for node in graph_def.node)
    packing = Packing(nodes, shapes, "all")
    names = [f"v{i}" for i in range(len(shapes))]
    line = packing.pack(names, [packing.after(["v0"])] if control else ())
    made = packing.unpack(line)
    if not control:
        assert sum(node.op != "Const" for node in nodes.made) == count
    kinds = nodes.tf.float32
    shown = [nodes.add("Identity", [tensor], "shown", T=kinds) for tensor in (line, *made)]
    graph_def.node.extend(nodes.made)
    random = np.random.RandomState(0)
    values = {name: np.float32(random.randn(*shape)) for name, shape in zip(names, shapes)}
    with session_of(graph_def) as session:
        run = Run(session, None, values)
        flat, *back = run([f"{name}:0" for name in shown])
    assert flat.shape == (packing.size,)
    for got, expected in zip(back, values.values()):
        np.testing.assert_array_equal(got, expected)


def test_names_are_free():
    nodes = Nodes(["all/joined"])
    tf_compat.load()
    assert Packing(nodes, [(), ()], "all").pack(["a", "b"]) == "all/joined_1"
