"""Graphs that parse and are hostile, old or of another TensorFlow: planned or refused, unharmed."""

from __future__ import annotations

import resource

import pytest

from lenet_exp import tf_compat
from lenet_exp.errors import GraphError
from lenet_exp.precision import assign, report
from tests.fuzz.graphs import called
from tests.precision.small import FORCE, MIX, cell, floats, graph_of

FLOAT = 1
MEGABYTES = 300  # far less than any of these would take


def resized(build, values, name="Const"):
    """Return the GraphDef of `build` whose constant `name` says that it has other dimensions."""
    graph_def, _ = graph_of(build)
    node = next(node for node in graph_def.node if node.name == name)
    node.attr["value"].tensor.tensor_shape.dim[0].size = values
    return graph_def


def reshaped_to(build):
    """Return reshape(x, build(tf)), put together so that TensorFlow does not compute it here."""

    def made(tf):
        behind = build(tf)
        late = tf.placeholder(tf.int32, [None], "late")
        return tf.reshape(floats(tf, "x"), late, name="out"), behind

    graph_def, (_, behind) = graph_of(made)
    next(node for node in graph_def.node if node.name == "out").input[1] = behind
    return graph_def


def filled(tf):
    return tf.fill([2_000_000_000], 0.5) + tf.placeholder(tf.float32, [], "x")


def doubled(tf):
    made = tf.constant([1, 2])
    for _ in range(40):
        made = tf.concat([made, made], 0)
    return made


def joined(tf):
    made = tf.constant("ab")
    for _ in range(40):
        made = tf.strings.join([made, made])
    return tf.reshape(tf.strings.length(made), [1])


def summed(tf):
    return tf.reduce_sum(tf.fill([2_000_000_000], 1), keepdims=True)


def drawn(tf):
    return tf.random_uniform([2**36], 0, 9, tf.int32)


def counted(tf):
    drawn = tf.reshape(tf.random_uniform([2**18, 2**18]), [-1])
    return tf.identity(tf.cast(drawn * 2, tf.int32))


def ring(op):
    graph_def = tf_compat.load().GraphDef()
    for index in range(3):
        node = graph_def.node.add(name=f"n{index}", op=op, input=[f"n{(index + 1) % 3}"])
        node.attr["T"].type = FLOAT
    return graph_def


def calling(*bodies):
    """Return x -> function 0; function i calls the functions bodies[i] one after the other."""
    graph_def = tf_compat.load().GraphDef()
    graph_def.node.add(name="x", op="Placeholder").attr["dtype"].type = FLOAT
    one_call(graph_def.node, "call", "x", 0)
    for index, body in enumerate(bodies):
        function = graph_def.library.function.add()
        function.signature.name = f"f{index}"
        function.signature.input_arg.add(name="x", type=FLOAT)
        function.signature.output_arg.add(name="y", type=FLOAT)
        last = "x"
        for place, other in enumerate(body):
            one_call(function.node_def, f"c{place}", last, other)
            last = f"c{place}:output:0"
        function.ret["y"] = last
    return graph_def


def one_call(nodes, name, given, function):
    node = nodes.add(name=name, op="StatefulPartitionedCall", input=[given])
    node.attr["Tin"].list.type.append(FLOAT)
    node.attr["Tout"].list.type.append(FLOAT)
    node.attr["f"].func.name = f"f{function}"


def split_into(count):
    graph_def, _ = graph_of(lambda tf: tf.split(floats(tf, "x"), 2, axis=1))
    next(node for node in graph_def.node if node.op == "Split").attr["num_split"].i = count
    return graph_def


def far_output():
    graph_def = tf_compat.load().GraphDef()
    graph_def.node.add(name="npu", op="NpuSomething")
    graph_def.node.add(name="out", op="Relu", input=["npu:999999"]).attr["T"].type = FLOAT
    return graph_def


def chain(tf):
    made = floats(tf, "x")
    for _ in range(2000):
        made = tf.identity(made)
    return tf.nn.relu(made)


PLANNED = {
    "a Fill of 2e9 values": lambda: graph_of(filled)[0],
    "a shape from a Fill of 2e9 values": lambda: reshaped_to(summed),
    "a shape from 2^40 letters": lambda: reshaped_to(joined),
    "a shape that is 2^40 numbers": lambda: reshaped_to(doubled),
    "a shape of 2^36 numbers that are drawn": lambda: reshaped_to(drawn),
    "a shape of 2^36 numbers made of drawn ones": lambda: reshaped_to(counted),
    "functions that call each other 40 deep": lambda: calling(*([i + 1] for i in range(40)), []),
    "a long chain of Identity": lambda: graph_of(chain)[0],
}


@pytest.mark.parametrize("kind", PLANNED)
def test_what_is_large_only_when_computed_is_planned_and_not_computed(kind):
    graph_def = PLANNED[kind]()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    made = report(assign(graph_def, FORCE))
    assert made.records
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEGABYTES * 1024


REFUSED = {
    "a constant of 4e9 values": (
        lambda: resized(lambda tf: tf.constant(1.0, shape=[4]) + floats(tf, "x", []), 4 * 10**9),
        "Const: this constant has more values than a GraphDef can have bytes",
    ),
    "a cycle of Identity": (lambda: ring("Identity"), "n0: it is part of a cycle"),
    "a cycle": (lambda: ring("Neg"), "n0: it is part of a cycle"),
    "a function that calls itself": (lambda: calling([0]), "f0: it calls itself"),
    "two that call each other": (lambda: calling([1], [0]), "it calls itself, directly or by"),
    "2^40 calls": (lambda: calling(*([i + 1] * 2 for i in range(40)), []), "nodes"),
    "calls 900 deep": (lambda: calling(*([i + 1] for i in range(900)), []), "calls deep it has"),
    "2^62 outputs": (lambda: split_into(2**62), "this Split has 4611686018427387904 tensors"),
    "400001 outputs": (lambda: split_into(400_001), "this Split has 400001 tensors"),
    "output 999999 of a vendor's": (far_output, "out: with it the graph has"),
}


def one_node(op, chips="", inputs=1, **attributes):
    """Return x -> one node, which stands for an operator of the chip's."""
    graph_def = tf_compat.load().GraphDef()
    graph_def.node.add(name="x", op="Placeholder").attr["dtype"].type = FLOAT
    node = graph_def.node.add(name="n", op=op, input=["x"] * inputs)
    for key, value in attributes.items():
        setattr(node.attr[key], "type" if key == "T" else "i", value)
    if chips:
        node.attr["_ge_type"].s = chips.encode()
    return graph_def


LACKING = [
    ("AddN", "", 0, {"T": FLOAT, "N": 0}, "this AddN has 0 tensors"),
    ("ShapeN", "", 0, {"T": FLOAT, "N": 0}, "this ShapeN has 0 tensors"),
    ("AddN", "", 0, {"T": FLOAT, "N": -1}, "this AddN has -1 tensors"),
    ("AddN", "", 0, {"T": FLOAT}, "this AddN has 0 tensors"),
    ("IdentityN", "", 0, {}, "this IdentityN has 0 tensors"),
    ("Neg", "Pow", 1, {"T": FLOAT}, "it has 1 inputs, which a Pow can't have"),
    ("Neg", "Sub", 1, {"T": FLOAT}, "it has 1 inputs, which a Sub can't have"),
    ("Neg", "BiasAdd", 1, {"T": FLOAT}, "it has 1 inputs, which a BiasAdd can't have"),
    ("Neg", "SparseSoftmaxCrossEntropyWithLogits", 1, {"T": FLOAT}, "it has 1 inputs, which a Sp"),
    ("NoOp", "Relu", 0, {}, "it has 0 inputs, which a Relu can't have"),
    ("NoOp", "AddN", 0, {}, "it has 0 inputs, which a AddN can't have"),
    ("ReduceSumD", "", 0, {}, "it has 0 inputs, which a ReduceSumD can't have"),
]


@pytest.mark.parametrize(("op", "chips", "inputs", "attributes", "told"), LACKING)
@pytest.mark.parametrize("fetches", [[], ["n"]])
def test_an_operator_that_lacks_its_ends_is_named(op, chips, inputs, attributes, told, fetches):
    with pytest.raises(GraphError, match=r"^n: ") as caught:
        assign(one_node(op, chips, inputs, **attributes), MIX, fetches=fetches)
    assert told in str(caught.value)


@pytest.mark.parametrize("kind", REFUSED)
def test_what_no_plan_can_be_made_of_is_told_in_words(kind):
    make, told = REFUSED[kind]
    graph_def = make()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(GraphError, match="try:") as caught:
        assign(graph_def, MIX)
    assert told in str(caught.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEGABYTES * 1024


def old_product(producer):
    """Return the graph of TensorFlow 1.0: a Placeholder of any shape has the empty one."""

    def build(tf):
        weights = tf.get_variable("w", [4, 4])
        return tf.raw_ops.MatMul(a=tf.placeholder(tf.float32, None, "x"), b=weights, name="y")

    graph_def, _ = graph_of(build)
    node = next(node for node in graph_def.node if node.name == "x")
    node.attr["shape"].shape.Clear()
    sized = graph_def.node.add(name="size", op="Size", input=["y"])
    sized.attr["T"].type = FLOAT
    graph_def.versions.producer = producer
    return graph_def


@pytest.mark.parametrize("producer", [0, 8, 21])
def test_up_to_producer_21_an_empty_shape_is_any_shape(producer):
    plan = assign(old_product(producer), MIX)
    rows = {row.name: cell(row) for row in plan.operators}
    assert rows["y"].startswith("MatMul")
    assert plan.graph_def.versions.producer == producer
    assert report(plan).records


def test_from_producer_22_on_it_is_a_scalar():
    with pytest.raises(GraphError, match=r"y: TensorFlow can't make it: .*rank 0"):
        assign(old_product(22), MIX)


def test_a_function_with_a_variable_s_handle_and_any_name_is_planned():
    plan = assign(called(tf_compat.load().GraphDef()), MIX)
    rows = {row.name: cell(row) for row in plan.operators}
    body = "call/__inference_<lambda>_7/"
    assert rows[f"{body}MatMul"].startswith("MatMulV2 hh>h white")
    assert rows[f"{body}y"].startswith("Reshape")
    assert rows["call"].startswith("StatefulPartitionedCall ff>h")
    assert report(plan).records


def spoil_signature(graph_def):
    del graph_def.library.function[0].signature.input_arg[1]


def spoil_result(graph_def):
    graph_def.library.function[0].signature.output_arg[0].type = 3


def lose_result(graph_def):
    graph_def.library.function[0].ret.clear()


def order_as_result(graph_def):
    graph_def.library.function[0].ret["y"] = "^y"


def unknown_input(graph_def):
    body = graph_def.library.function[0].node_def
    next(node for node in body if node.name == "y").input[0] = "nowhere:out:0"


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (spoil_signature, "call: __inference_<lambda>_7 takes ['float32'], and is called with"),
        (spoil_result, "call: __inference_<lambda>_7 gives ['int32'], and its call ['float32']"),
        (lose_result, "its result y is no tensor"),
        (order_as_result, "its result y is no tensor"),
        (unknown_input, 'its input "nowhere:out:0" is no tensor of the function'),
    ],
)
def test_a_function_that_does_not_fit_is_told_in_words(damage, told):
    graph_def = called(tf_compat.load().GraphDef())
    damage(graph_def)
    with pytest.raises(GraphError) as caught:
        assign(graph_def, MIX)
    assert told in str(caught.value)


def test_what_tensorflow_can_not_compute_stays_as_it_is():
    def build(tf):
        divided = tf.floordiv(tf.constant([4, 4]), tf.constant([2, 0]), name="divided")
        return tf.cast(divided, tf.float32) + floats(tf, "x", [2])

    graph_def, fetches = graph_of(build)
    plan = assign(graph_def, MIX, fetches=fetches)
    assert "divided" in {row.name for row in plan.operators}


def test_constants_that_follow_from_large_ones_are_folded_in_turn():
    def build(tf):
        tiled = tf.tile(tf.range(3), [tf.size(tf.fill([2], 0.0))], name="tiled")
        return tf.reshape(floats(tf, "x", [6]), tf.reduce_sum(tiled, keepdims=True), name="out")

    graph_def, fetches = graph_of(build)
    plan = assign(graph_def, MIX, fetches=fetches)
    assert [row.name for row in plan.operators] == ["out"]
