"""NodeDefs under construction: handles, inputs and attributes."""

from __future__ import annotations

import numpy as np
import pytest

from lenet_exp import tf_compat
from lenet_exp.precision.ir.builder import Nodes, control_inputs, data_inputs, set_inputs


def test_a_handle_is_the_name_of_its_nodes_first_output():
    nodes = Nodes(["sum"])
    handle = nodes.float_op("AddV2", ["a", "b"], "sum")
    assert handle == "sum_1"
    assert handle.node is nodes.made[-1]
    assert handle.outputs(3) == ["sum_1", "sum_1:1", "sum_1:2"]


def test_equal_scalars_are_one_constant():
    nodes = Nodes()
    assert nodes.constant(1) == nodes.constant(1.0)
    assert nodes.constant(1) != nodes.constant(1, np.int32)
    assert nodes.constant([1, 2]) != nodes.constant([1, 2])


def test_inputs_are_parted_into_tensors_and_what_is_only_waited_for():
    node = Nodes().add("AddV2", ["a", "b:1"], "sum", ["c"]).node
    assert data_inputs(node.input) == ["a", "b:1"]
    assert control_inputs(node.input) == ["c"]
    set_inputs(node, ["^d"])
    assert list(node.input) == ["^d"]


@pytest.mark.parametrize("shape", [[], [2, 3]], ids=["scalar", "matrix"])
def test_a_shape_is_an_attribute(shape):
    tf = tf_compat.load()
    node = Nodes().add("Placeholder", [], "x", dtype=tf.float32, shape=tf.TensorShape(shape)).node
    assert node.attr["shape"].HasField("shape")
    assert [dim.size for dim in node.attr["shape"].shape.dim] == shape


@pytest.mark.parametrize(
    ("value", "field"), [(True, "b"), (1, "i"), (0.5, "f"), (b"VALID", "s")], ids=str
)
def test_a_scalar_goes_into_the_field_of_its_type(value, field):
    attribute = Nodes().add("NoOp", [], "x", key=value).node.attr["key"]
    assert attribute.WhichOneof("value") == field
    assert getattr(attribute, field) == value


def test_the_thousandth_node_of_a_name_is_as_quick_as_the_first():
    class Stock(set):
        asked = 0

        def __contains__(self, name):
            Stock.asked += 1
            return super().__contains__(name)

    nodes = Nodes()
    nodes._taken = Stock()
    names = [nodes.free("x") for _ in range(1000)]
    assert names == ["x", *(f"x_{number}" for number in range(1, 1000))]
    assert Stock.asked < 3000
