"""cond, while loops, If, While and calls: sections 4.2, 6.3 and 6.7."""

from __future__ import annotations

import pytest

from lenet_exp import tf_compat
from lenet_exp.precision import assign
from tests.precision.small import FORCE, KEEP, MIX, cell, cells, floats, graph_of, halves, plan_of


def test_types_pass_through_a_cond_of_version_1():
    def build(tf):
        half, choice = halves(tf), tf.placeholder(tf.bool, [], "choice")
        made = tf.cond(choice, lambda: tf.exp(half, "exp"), lambda: tf.abs(half, "abs"), name="c")
        return tf.sigmoid(made, "after")

    rows = cells(build)
    assert rows["c/exp/Switch"] == "Switch hb>hh gray"
    assert (rows["c/exp"], rows["c/abs"]) == ("Exp h>h gray", "Abs h>h gray")
    assert rows["c/Merge"] == "Merge hh>hi gray"
    assert rows["after"] == "Sigmoid h>h gray"


def test_a_merge_follows_its_first_input():
    def build(tf):
        half, choice = halves(tf), tf.placeholder(tf.bool, [], "choice")
        made = tf.cond(choice, lambda: tf.exp(half, "exp"), lambda: tf.log(half, "log"), name="c")
        return tf.sigmoid(made, "after")

    rows = cells(build)
    assert rows["c/log"] == "Log f>f black *0"
    # tf.cond merges [false, true]: the black Log is the first.
    assert rows["c/Merge"] == "Merge ff>fi gray *1"


def loop(tf):
    half = halves(tf)
    body = lambda i, x: (i + 1, tf.exp(x, "exp"))  # noqa: E731 - names are made in the loop
    return tf.while_loop(lambda i, x: i < 3, body, [tf.constant(0), half], name="loop")[1]


def test_a_loop_is_entered_and_closed_by_black_null_operators():
    rows = cells(loop)
    assert rows["loop/Enter_1"] == "Enter f>f black *0"
    # The back edge's producer is not visited yet: it shows its type in the graph, float32.
    assert rows["loop/Merge_1"] == "Merge ff>fi gray"
    assert rows["loop/exp"] == "Exp f>f gray"
    assert rows["loop/NextIteration_1"] == "NextIteration f>f black"


def test_a_loop_s_end_is_cast_where_it_is_not_what_its_begin_takes():
    assert cells(loop, FORCE)["loop/Merge_1"] == "Merge hh>hi forced"
    white = {"black-list": {"to-remove": ["NextIteration", "Enter"]}}

    def product(tf):
        weights = tf.get_variable("weights", [4, 4])
        body = lambda i, x: (i + 1, tf.matmul(x, weights))  # noqa: E731 - as above
        start = [tf.constant(0), floats(tf, "x", (4, 4))]
        return tf.while_loop(lambda i, x: i < 3, body, start, name="loop")[1]

    plan = plan_of(product, modify_mixlist=white)
    rows = {row.name: cell(row) for row in plan.operators}
    assert rows["loop/NextIteration_1"] == "NextIteration h>h gray"
    assert rows["loop/Merge_1"] == "Merge ff>fi gray *1"
    (edge,) = [edge for edge in plan.casts if edge.consumer == "loop/Merge_1"]
    assert (edge.slot, edge.source, edge.target) == (1, "float16", "float32")


def test_a_loop_is_forced_but_for_what_the_library_lacks():
    rows = cells(loop, FORCE)
    assert rows["loop/Enter_1"] == "Enter h>h forced"
    assert rows["loop/Exit_1"].startswith("Exit f>f keep *0")


@pytest.fixture
def version_2():
    """Functional control flow, for graphs built inside."""
    tf = tf_compat.load()
    tf.enable_control_flow_v2()
    yield
    tf.disable_control_flow_v2()


def functional_if(tf):
    half, choice = halves(tf), tf.placeholder(tf.bool, [], "choice")
    made = tf.cond(choice, lambda: tf.exp(half, "exp"), lambda: tf.log(half, "log"), name="c")
    return tf.sigmoid(made, "after")


def by_last_name(plan):
    """Return the rows without scopes; TensorFlow 2 numbers the nodes of a function."""
    names = [row.name.rsplit("/", maxsplit=1)[-1] for row in plan.operators]
    return {n[:-2] if n.endswith("_0") else n: cell(r) for n, r in zip(names, plan.operators)}


def test_an_if_hands_types_to_its_branches_and_back(version_2):
    plan = plan_of(functional_if)
    rows = by_last_name(plan)
    assert rows["exp"] == "Exp h>h gray"
    assert rows["log"] == "Log f>f black *0"
    assert rows["after"] == "Sigmoid h>h gray"
    call = next(row for row in plan.operators if row.ge_type in ("If", "StatelessIf"))
    assert (call.outputs, call.casts, call.engine) == (("float16",), (), "none")
    # The second branch's result is cast to the first one's type.
    last = [edge for edge in plan.casts if edge.port is None]
    assert [(edge.source, edge.target) for edge in last] == [("float32", "float16")]


def functional_while(tf):
    half = halves(tf)
    body = lambda i, x: (i + 1, tf.exp(x, "exp"))  # noqa: E731
    made = tf.while_loop(lambda i, x: i < 3, body, [tf.constant(0), half], name="loop")
    return tf.sigmoid(made[1], "after")


def test_a_while_hands_types_to_its_body(version_2):
    rows = by_last_name(plan_of(functional_while))
    assert rows["exp"] == "Exp h>h gray"
    assert rows["after"] == "Sigmoid h>h gray"


def shaped(tf, x, operator, shapes=None):
    """Return a While that takes x, and whose body returns what an operator makes of it."""
    body = lambda i, value: (i + 1, operator(tf, value))  # noqa: E731
    made = tf.while_loop(lambda i, _: i < 3, body, [tf.constant(0), x], shapes, name="loop")
    return tf.sigmoid(made[1], "after")


def product(tf, value):
    return tf.matmul(value, tf.ones([8, 8]), name="mm")


@pytest.mark.parametrize(
    ("begin", "operator", "types", "cast"),
    [
        (halves, lambda tf, x: tf.log(x), "h", [("float32", "float16")]),
        (lambda tf: floats(tf, "x"), product, "f", [("float16", "float32")]),
        (halves, product, "h", []),
    ],
)
def test_a_while_has_one_type_from_what_feeds_it_to_what_it_gives(
    version_2, begin, operator, types, cast
):
    plan = plan_of(lambda tf: shaped(tf, begin(tf), operator))
    (call,) = [row for row in plan.operators if row.ge_type.endswith("While")]
    place = call.origin_inputs.index("float32")
    letter = {"h": "float16", "f": "float32"}[types]
    assert (call.inputs[place], call.outputs[place]) == (letter, letter)
    assert by_last_name(plan)["after"].startswith(f"Sigmoid {types}>{types}")
    found = [edge for edge in plan.casts if edge.port is None]
    assert [(edge.source, edge.target) for edge in found] == cast


def test_a_while_whose_shape_grows_keeps_the_types_of_the_graph(version_2):
    def build(tf):
        shapes = [tf.TensorShape([]), tf.TensorShape([None, 8])]
        return shaped(tf, halves(tf), lambda tf, x: tf.concat([x, x], 0), shapes)

    plan = plan_of(build)
    (call,) = [row for row in plan.operators if row.ge_type.endswith("While")]
    place = call.origin_inputs.index("float32")
    assert (call.inputs[place], call.outputs[place]) == ("float32", "float32")
    assert call.casts == (place,)


@pytest.mark.parametrize("build", [functional_if, functional_while])
def test_the_planned_graph_with_functions_runs(version_2, build):
    tf = tf_compat.load()
    graph_def, fetches = graph_of(build)
    plan = assign(graph_def, MIX, fetches=fetches)
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(plan.graph_def, name="")
    assert graph.get_tensor_by_name(fetches[0]).shape.as_list() == [4, 8]


def test_a_call_whose_function_is_missing_is_told():
    graph_def, fetches = graph_of(lambda tf: tf.sigmoid(floats(tf, "x"), "end"))
    node = next(node for node in graph_def.node if node.name == "end")
    node.op = "PartitionedCall"
    node.attr.clear()
    node.attr["f"].func.name = "nowhere"
    node.attr["Tin"].list.type.append(1)
    node.attr["Tout"].list.type.append(1)
    plan = assign(graph_def, MIX, fetches=fetches)
    assert (plan.operators[0].rule, plan.operators[0].outputs) == ("unknown", ("float32",))
    assert "PartitionedCall" in plan.warnings[0]


@pytest.fixture
def resources():
    tf = tf_compat.load()
    tf.enable_resource_variables()
    yield
    tf.disable_resource_variables()


def resource_if(tf):
    x, choice = floats(tf, "x"), tf.placeholder(tf.bool, [], "choice")
    kernel = tf.get_variable("kernel", [8, 8])
    return tf.cond(choice, lambda: tf.matmul(x, kernel, name="mm"), lambda: x, name="c")


def test_a_branch_reads_a_resource_variable_as_its_type(version_2, resources):
    assert by_last_name(plan_of(resource_if))["mm"] == "MatMulV2 hh>h white *01"


@pytest.mark.parametrize("mode", [MIX, FORCE, KEEP])
def test_the_handle_whose_shape_is_asked_for_is_never_cast(version_2, resources, mode):
    def build(tf):
        kernel = tf.get_variable("kernel", [8, 8])
        body = lambda i, x: (i + 1, tf.matmul(x, kernel))  # noqa: E731
        made = tf.while_loop(lambda i, _: i < 3, body, [tf.constant(0), floats(tf, "x")])[1]
        shape = tf.raw_ops.VariableShape(input=kernel.handle, name="shape_of_variable")
        return [shape, *tf.gradients(made, kernel)]

    plan = plan_of(build, mode)
    shapes = [row for row in plan.operators if row.tf_type == "VariableShape"]
    assert len(shapes) == 2
    assert {(cell(row).split()[1], row.casts) for row in shapes} == {("f>i", ())}


@pytest.mark.parametrize(("size", "fused"), [([], True), ([8], False)])
@pytest.mark.parametrize("of", ["a branch", "a loop"])
def test_a_function_knows_the_shape_of_a_variable_that_it_is_handed(
    version_2, resources, of, size, fused
):
    def build(tf):
        x, scale = floats(tf, "x"), tf.get_variable("scale", size)

        def total(x):
            return tf.add_n([scale * x, tf.exp(x)], name="total")

        if of == "a loop":
            return tf.while_loop(lambda i, _: i < 3, lambda i, x: (i + 1, total(x)), [0, x])[1]
        choice = tf.placeholder(tf.bool, [], "choice")
        return tf.cond(choice, lambda: total(x), lambda: x)

    row = by_last_name(plan_of(build, FORCE))["total"]
    assert row.startswith("FusedMulAddN hhh>h" if fused else "AddN hh>h")


def test_what_keep_dtype_names_is_kept_in_its_functions_too(version_2, resources):
    graph_def, fetches = graph_of(resource_if)
    call = next(node.name for node in graph_def.node if node.op in ("If", "StatelessIf"))
    kept = assign(graph_def, MIX, fetches=fetches, keep_dtype=[call])
    assert by_last_name(kept)["mm"] == "MatMulV2 ff>f keep"


def test_outputs_of_a_function_have_the_types_it_returns():
    def build(tf):
        @function_of_two(tf)
        def both(x):
            return x * 2.0, tf.cast(x, tf.int32)

        whole = both(floats(tf, "x"))[1]
        return tf.add(whole, whole, name="y"), tf.shape(whole, name="shape")

    rows = cells(build, FORCE)
    assert rows["y"].startswith("Add ii>i") or rows["y"].startswith("AddV2 ii>i")


def function_of_two(tf):
    from tensorflow.python.framework.function import Defun

    return Defun(tf.float32)


def test_an_unknown_operator_gives_what_its_consumers_take():
    graph_def, fetches = graph_of(
        lambda tf: tf.nn.relu(tf.placeholder(tf.int32, [4], "tokens"), "end")
    )
    node = next(node for node in graph_def.node if node.name == "tokens")
    node.op = "MyTokens"
    node.attr.clear()
    plan = assign(graph_def, FORCE, fetches=fetches)
    rows = {row.name: cell(row) for row in plan.operators}
    assert rows["end"].startswith("Relu i>i")
    assert any("MyTokens" in warning for warning in plan.warnings)
