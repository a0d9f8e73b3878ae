"""What happens before selection, and that the planned graph still computes the same."""

from __future__ import annotations

import numpy as np
import pytest

from lenet_exp import tf_compat
from lenet_exp.errors import GraphError, PrecisionError
from lenet_exp.precision import assign
from tests.precision import lenet_graph
from tests.precision.small import FORCE, MIX, cells, floats, graph_of, halves, plan_of


def steps(graph_def, train, loss, count=2, seed=3):
    """Return the losses of some steps with all variables starting from fixed values."""
    tf = tf_compat.load()
    random = np.random.RandomState(seed)
    images = random.rand(8, 28, 28, 1).astype(np.float32)
    labels = random.randint(0, 10, 8).astype(np.int32)
    with tf.Graph().as_default() as graph, tf.Session() as session:
        tf.import_graph_def(graph_def, name="")
        writes = []
        for node in sorted(graph_def.node, key=lambda node: node.name):
            if node.op == "VariableV2":
                ref = graph.get_tensor_by_name(f"{node.name}:0")
                powers = {"beta1_power": 0.9, "beta2_power": 0.999, "scale": 1024.0}
                last = node.name.rsplit("/", maxsplit=1)[-1]
                value = random.randn(*ref.shape.as_list()) * 0.1
                value = powers.get(last, np.abs(value) if "Adam" in last else value)
                writes.append(tf.assign(ref, np.full(ref.shape.as_list(), value, np.float32)))
        session.run(writes)
        feed = {"images:0": images, "labels:0": labels}
        return [session.run([train, loss], feed)[1] for _ in range(count)]


@pytest.mark.parametrize("scale", ["none", "constant", "variable"])
def test_the_planned_graph_trains_to_the_same_bits(scale):
    graph_def = lenet_graph.training_graph(scale, batch=8)
    plan = assign(graph_def, MIX, fetches=lenet_graph.FETCHES)
    assert len(plan.graph_def.node) < len(graph_def.node)
    assert steps(plan.graph_def, *lenet_graph.FETCHES_OF_RUN) == steps(
        graph_def, *lenet_graph.FETCHES_OF_RUN
    )


@pytest.mark.parametrize("mode", [MIX, FORCE])
@pytest.mark.parametrize("conditional", [True, False])
def test_the_graph_given_is_not_modified(mode, conditional):
    graph_def = lenet_graph.training_graph(batch=8)
    fetches = lenet_graph.FETCHES
    if conditional:
        graph_def, fetches = lenet_graph.conditional_graph(8), lenet_graph.CONDITIONAL_FETCHES
    before = graph_def.SerializeToString(deterministic=True)
    assign(graph_def, mode, fetches=fetches)
    assert graph_def.SerializeToString(deterministic=True) == before


def test_a_conditional_update_is_imported_with_its_order():
    graph_def = lenet_graph.conditional_graph(8, stand_ins=True)
    plan = assign(graph_def, MIX, fetches=lenet_graph.CONDITIONAL_FETCHES)
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(plan.graph_def, name="")
    cleared = graph.get_operation_by_name("clear_status")
    assert [op.name for op in cleared.control_inputs] == ["get_status"]
    waits_for = {op.name for op in graph.get_operation_by_name("get_status").control_inputs}
    assert waits_for == {f"unscale/{layer}/{part}" for layer in lenet_graph.LAYERS
                         for part in ("kernel", "bias")}  # fmt: skip
    # What is in the branch still waits for it to be taken.
    pivots = graph.get_operation_by_name("update/Adam/beta1").control_inputs
    assert [op.name for op in pivots] == ["update/switch_t"]


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda tf: tf.fill([2], 3.0) * 2.0, [6.0, 6.0]),
        (lambda tf: tf.cast(tf.shape(floats(tf, "x")), tf.float32), [4.0, 8.0]),
        (lambda tf: tf.cast(tf.size(floats(tf, "x")), tf.float32) / 3.0, np.float32(32.0 / 3.0)),
        (lambda tf: tf.to_float(tf.shape_n([floats(tf, "x"), floats(tf, "y", [3])])[1]), [3.0]),
        (lambda tf: tf.to_float(tf.shape(tf.unique(tf.constant([1, 2, 2]))[0])), [2.0]),
        (lambda tf: tf.to_float(tf.size(tf.where(tf.constant([True, False])))), 1.0),
        (lambda tf: tf.identity(tf.constant(2.0)) + 1.0, 3.0),
        (lambda tf: tf.unstack(tf.constant([1.0, 2.0]))[1] * 2.0, 4.0),
    ],
)
def test_constants_and_static_shapes_are_folded_to_their_value(make, expected):
    def build(tf):
        return tf.multiply(halves(tf), tf.reduce_sum(make(tf)), name="end")

    plan = plan_of(build)
    end = next(node for node in plan.graph_def.node if node.name == "end")
    constant = next(node for node in plan.graph_def.node if node.name == end.input[1])
    from tensorflow.python.framework import tensor_util

    assert constant.op == "Const"
    got = tensor_util.MakeNdarray(constant.attr["value"].tensor)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, np.sum(np.array(expected, np.float32)))


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda tf: tf.random_uniform([], seed=1), id="random numbers"),
        pytest.param(lambda tf: tf.get_variable("scale", []), id="a variable"),
        pytest.param(
            lambda tf: tf.to_float(tf.shape(tf.placeholder(tf.float32, [None]))[0]), id="unknown"
        ),
    ],
)
def test_what_is_not_constant_is_not_folded(make):
    plan = plan_of(lambda tf: tf.multiply(halves(tf), make(tf), name="end"))
    end = next(node for node in plan.graph_def.node if node.name == "end")
    last = next(node for node in plan.graph_def.node if node.name == end.input[1])
    assert last.op != "Const"


def test_large_constants_leave_room_for_the_small_ones_behind_them():
    def build(tf):
        # Together all that a graph may have folded besides its own size, 32 MiB.
        large = [tf.reduce_sum(tf.fill([2**22], value)) for value in (1.0, 2.0)]
        small = tf.reshape(tf.range(20_000), [200, 100], name="small")
        return [floats(tf, "x", ()) + tf.add_n(large), tf.gather(small, tf.cast(large[0], "int32"))]

    kinds = {node.name: node.op for node in plan_of(build).graph_def.node}
    assert kinds["small"] == "Const"


def test_folded_constants_of_a_branch_stay_in_it():
    def build(tf):
        half, choice = halves(tf), tf.placeholder(tf.bool, [], "choice")
        taken = lambda: half * tf.reduce_sum(tf.fill([2], 3.0), name="folded")  # noqa: E731
        return tf.cond(choice, taken, lambda: half, name="c")

    plan = plan_of(build)
    node = next(node for node in plan.graph_def.node if node.name == "c/folded")
    assert node.op == "Const"
    assert set(node.input) == {"^c/switch_t"}


def shaped(tf, x, like):
    return tf.raw_ops.Reshape(tensor=x, shape=tf.raw_ops.Shape(input=like)) + 1.0


def in_a_loop(tf, x):
    body = lambda i, y: (i + 1, shaped(tf, y, x))  # noqa: E731
    return tf.while_loop(lambda i, y: i < 3, body, [tf.constant(0), x])[1]


def in_a_branch(tf, x):
    return tf.cond(tf.reduce_sum(x) < 0, lambda: shaped(tf, tf.ones([6]), x), lambda: x)


def deep_in_a_branch(tf, x):
    ones = lambda: shaped(tf, tf.ones([6]), tf.exp(x))  # noqa: E731
    return tf.cond(tf.reduce_sum(x) < 0, ones, lambda: x)


def in_a_branch_in_a_loop(tf, x):
    chosen = lambda i, y: tf.cond(i > 1, lambda: shaped(tf, y, x), lambda: y)  # noqa: E731
    body = lambda i, y: (i + 1, chosen(i, y))  # noqa: E731
    return tf.while_loop(lambda i, y: i < 3, body, [tf.constant(0), x])[1]


@pytest.mark.parametrize(
    "network", [in_a_loop, in_a_branch, deep_in_a_branch, in_a_branch_in_a_loop]
)
def test_a_shape_of_what_is_in_a_branch_or_a_loop_stays_in_it(network):
    tf = tf_compat.load()
    graph_def, (fetch,) = graph_of(lambda tf: network(tf, floats(tf, "x", [2, 3])))
    plan, found = assign(graph_def, MIX, fetches=[fetch]), []
    assert "Shape" not in {node.op for node in plan.graph_def.node}
    for each in (graph_def, plan.graph_def):
        with tf.Graph().as_default() as graph:
            tf.import_graph_def(each, name="")
        with tf_compat.session_class()(graph=graph) as session:
            found.append(session.run(fetch, {"x:0": np.full([2, 3], 0.5)}))
    assert np.array_equal(*found)


@pytest.mark.parametrize("use_resource", [False, True])
@pytest.mark.parametrize("named", [False, True])
def test_without_fetches_initialisers_and_savers_stay_out(named, use_resource):
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        weights = tf.get_variable("w", [8, 8], use_resource=use_resource)
        loss = tf.reduce_sum(tf.matmul(floats(tf, "x"), weights, name="product"), name="loss")
        tf.train.GradientDescentOptimizer(0.1).minimize(loss, name="train")
        tf.global_variables_initializer()
        tf.train.Saver()
    fetches = ["train", "loss"] if named else []
    plan = assign(graph.as_graph_def(), MIX, fetches=fetches)
    kinds = sorted(row.ge_type for row in plan.operators)
    assert kinds == ["ApplyGradientDescent", "MatMulV2", "MatMulV2", "ReduceSumD"]


def by_hand(tf, use_resource):
    """An optimizer written out of single operators: nothing but Assign writes."""
    weights = tf.get_variable("w", [8, 8], use_resource=use_resource)
    mean = tf.get_variable("w_m", [8, 8], use_resource=use_resource)
    step = tf.get_variable("step", [], tf.int64, use_resource=use_resource)
    copy = tf.get_variable("copy", [8, 8], use_resource=use_resource)
    loss = tf.reduce_sum(tf.matmul(floats(tf, "x"), weights, name="product"), name="loss")
    (gradient,) = tf.gradients(loss, [weights])
    moved = 0.9 * mean + 0.1 * gradient
    writes = [mean.assign(moved), weights.assign(weights - moved), step.assign(step + 1)]
    tf.group(*writes, name="train")
    tf.group(copy.assign(weights), name="copied")


@pytest.mark.parametrize("use_resource", [False, True])
def test_without_fetches_an_update_by_hand_is_one_and_an_initialiser_none(use_resource):
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        by_hand(tf, use_resource)
        tf.global_variables_initializer()
        tf.train.Saver()
    plan = assign(graph.as_graph_def(), MIX)
    assert [name for name in plan.fetches if "ReadVariableOp" not in name] == ["loss", "train"]
    named = assign(graph.as_graph_def(), MIX, fetches=["loss:0", "train"])
    assert plan.operators == named.operators
    assert named.fetches == ("loss", "train")


def test_without_fetches_what_stands_behind_an_update_of_the_forward_pass_is_not_enough():
    """As behind a batch normalisation that moves its averages itself."""
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        weights, count = tf.get_variable("w", [8, 8]), tf.get_variable("count", [])
        counted = tf.assign_add(count, 1.0)
        choice = tf.placeholder(tf.bool, [], "choice")
        scaled = tf.cond(choice, lambda: floats(tf, "x") * counted, lambda: floats(tf, "y"))
        loss = tf.reduce_sum(tf.matmul(scaled, weights), name="loss")
        tf.train.GradientDescentOptimizer(0.1).minimize(loss, name="train")
    assert assign(graph.as_graph_def(), MIX).fetches == ("loss", "train")


@pytest.mark.parametrize("use_resource", [False, True])
def test_without_fetches_a_network_is_planned_without_its_initialisers(use_resource):
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        weights = tf.get_variable("w", [8, 8], use_resource=use_resource)
        tf.sigmoid(tf.matmul(floats(tf, "x"), weights), name="end")
        tf.global_variables_initializer()
        tf.train.Saver()
    assert assign(graph.as_graph_def(), MIX).fetches == ("end",)


def test_without_fetches_and_updates_everything_counts():
    def build(tf):
        return [tf.exp(floats(tf, "x"), "one"), tf.abs(floats(tf, "y"), "two")]

    assert set(cells(build, fetches=())) == {"one", "two"}


@pytest.mark.parametrize("use_resource", [False, True])
def test_ref_and_resource_variables_give_the_same_rows(use_resource):
    def build(tf):
        with tf.variable_scope("net", use_resource=use_resource):
            weights = tf.get_variable("w", [8, 8])
            bias = tf.get_variable("b", [8])
        product = tf.matmul(floats(tf, "x"), weights, name="product")
        loss = tf.reduce_sum(tf.nn.bias_add(product, bias), name="loss")
        return tf.train.AdamOptimizer().minimize(loss, name="train")

    rows = cells(build, FORCE, fetches=["train", "loss"])
    assert rows["product"] == "MatMulV2 hhh>h forced *012"
    update = next(cell for name, cell in rows.items() if name.startswith("train/update_net/w"))
    assert update == "ApplyAdamD hhhhhhhhhh>hhh forced *012345678"
    assigns = sorted(cell for cell in rows.values() if cell.startswith("Assign"))
    assert assigns == ["Assign hh>h forced *0"] * 2


@pytest.mark.parametrize(
    ("fetches", "problem"),
    [(["nowhere"], "fetch nowhere"), (["end:0", "x/y:1"], "fetch x/y:1")],
)
def test_a_fetch_that_is_not_there_is_named(fetches, problem):
    graph_def, _ = graph_of(lambda tf: tf.exp(floats(tf, "x"), "end"))
    with pytest.raises(GraphError, match=problem):
        assign(graph_def, MIX, fetches=fetches)


def test_a_graph_with_a_missing_or_doubled_node_or_a_cycle_is_refused():
    graph_def, fetches = graph_of(lambda tf: tf.exp(tf.abs(floats(tf, "x"), "a"), "end"))
    part = type(graph_def)(node=[n for n in graph_def.node if n.name != "x"])
    with pytest.raises(GraphError, match='a: its input "x" is no node'):
        assign(part, MIX, fetches=fetches)
    twice = type(graph_def)(node=[*graph_def.node, graph_def.node[0]])
    with pytest.raises(GraphError, match="two nodes have this name"):
        assign(twice, MIX, fetches=fetches)
    for node in graph_def.node:
        if node.name == "a":
            node.input[0] = "end"
    with pytest.raises(GraphError, match="part of a cycle"):
        assign(graph_def, MIX, fetches=fetches)


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("allow_mix_precision", MIX),
        ("allow_mix_precision_fp16", MIX),
        ("mixed_float16", MIX),
        ("fp16", FORCE),
        ("origin", "must_keep_origin_dtype"),
    ],
)
def test_a_mode_has_the_names_of_both_keys(name, mode):
    assert plan_of(lambda tf: tf.exp(floats(tf, "x")), name).mode == mode


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"mode": "allow_mixed"}, "precision mode allow_mixed"),
        ({"mode": "cube_hif8"}, "precision mode cube_hif8"),
        ({"generation": "2022"}, "generation 2022"),
        ({"library": "nowhere.json"}, "nowhere.json: it can't be read"),
        ({"library": {}}, 'has no object "ops"'),
        ({"library": {"ops": {"A": {"in": [], "out": ["y"], "cols": ["x"]}}}}, 'the column "x"'),
    ],
)
def test_arguments_that_are_not_possible_are_told(options, problem):
    graph_def, fetches = graph_of(lambda tf: tf.exp(floats(tf, "x")))
    with pytest.raises(PrecisionError) as caught:
        assign(graph_def, options.pop("mode", MIX), fetches=fetches, **options)
    assert problem in str(caught.value)
    assert caught.value.exit_code == 2
