"""A session in which running a graph is running it under a mode."""

import numpy as np
import pytest

from lenet_exp import tf_compat
from lenet_exp.errors import GraphError, PrecisionError
from lenet_exp.precision import assign, emulate, emulated_session, load_graph
from tests.precision.chip import same_bits, session_of

ROWS = np.linspace(-1, 1, 32, dtype=np.float32).reshape(4, 8)


class Network:
    """A dense layer whose weights are trained; what a person has in hands."""

    def __init__(self, tf):
        tf.set_random_seed(1)
        self.rows = tf.placeholder(tf.float32, [None, 8], "rows")
        self.weights = tf.get_variable("weights", [8, 3])
        self.product = tf.matmul(self.rows, self.weights, name="product")
        self.loss = tf.reduce_mean(tf.square(self.product), name="loss")
        self.train = tf.train.MomentumOptimizer(0.1, 0.9).minimize(self.loss, name="train")
        self.init = tf.global_variables_initializer()
        self.norm = tf.norm(self.weights, name="length")
        tf.identity(self.norm, name="norm")
        self.missing = tf.report_uninitialized_variables()
        self.saver = tf.train.Saver()


@pytest.fixture(scope="module")
def network():
    tf = tf_compat.load()
    with tf.Graph().as_default():
        yield Network(tf)


def graph_of(network):
    return network.loss.graph


@pytest.mark.parametrize("reference", [False, True])
def test_it_gives_what_a_plan_an_emulation_and_a_session_of_one_s_own_give(network, reference):
    graph_def = graph_of(network).as_graph_def()
    plan = assign(graph_def, "force_fp16", fetches=["train", "loss:0"])
    made = emulate(graph_def, plan, fetches=["loss:0"], reference=reference)
    feeds = {"rows:0": ROWS}
    with session_of(made.graph_def) as session:
        session.run(["init", made.reset])
        expected = [session.run(["loss:0", "train", "weights:0"], feeds)[::2] for _ in range(3)]
    taken = [network.train, network.loss]
    with emulated_session(
        graph_of(network), "fp16", taken, threads=1, reference=reference
    ) as session:
        session.run(network.init)
        for loss, weights in expected:
            results = session.run([network.loss, network.train, network.weights], feeds)
            same_bits(results[0], loss)
            same_bits(results[2], weights)
        assert session.graph.plan == plan
        assert session.run(session.graph.float_status) == 0


def test_it_takes_names_and_what_the_graph_has_in_any_structure(network):
    tf = tf_compat.load()
    with emulated_session(graph_of(network), "mixed_float16", [network.product]) as session:
        assert isinstance(session, tf.Session)
        session.run("init")
        asked = {"a": network.product, "b": ["product:0", (network.product.op,)]}
        got = session.run(asked, {network.rows: ROWS})
        same_bits(got["a"], got["b"][0].astype(np.float16))
        assert got["b"][1] == (None,)
        slices = tf.IndexedSlices(network.product, network.rows)
        assert session.run(slices, {"rows:0": ROWS}).values.shape == (4, 3)
        called = session.make_callable(network.product, [network.rows])
        same_bits(called(ROWS), got["a"])


def test_a_saver_of_the_graph_saves_and_restores(network, tmp_path):
    path = str(tmp_path / "model.ckpt")
    with tf_compat.load().Session(graph=graph_of(network)) as session:
        session.run(network.init)
        kept = session.run(network.weights)
        network.saver.save(session, path, write_meta_graph=False)
    with emulated_session(graph_of(network), "force_fp16", [network.train]) as session:
        network.saver.restore(session, path)
        same_bits(session.run(network.weights), kept)
        session.run(network.train, {network.rows: ROWS})
        network.saver.save(session, path)
        trained = session.run(network.weights)
        session.run(network.init)
        network.saver.restore(session, path)
        same_bits(session.run(network.weights), trained)
        assert (trained != kept).any()
    saved, _ = load_graph(f"{path}.meta")
    names = {node.name for node in graph_of(network).as_graph_def().node}
    assert {node.name for node in saved.node} == names


def test_it_says_in_words_what_is_not_possible(network):
    graph = graph_of(network)
    with pytest.raises(GraphError, match="nosuch"):
        emulated_session(graph, "force_fp16", ["nosuch"])
    with pytest.raises(GraphError, match="int is nothing that a graph has"):
        emulated_session(graph, "force_fp16", [3])
    for wrong in (None, {"l": network.loss}, []):
        with pytest.raises(GraphError, match="fetches"):
            emulated_session(graph, "force_fp16", wrong)
    for wrong in ("model.meta", None, 3):
        with pytest.raises(GraphError, match="is no graph"):
            emulated_session(wrong, "force_fp16", ["loss"])
    for wrong in (-1, "2", 1.5, True):
        with pytest.raises(PrecisionError, match=r"threads=.*: it is no number of threads"):
            emulated_session(graph, "force_fp16", ["loss"], threads=wrong)
    with pytest.raises(TypeError, match=r"emulated_session\(\) got an unexpected .* 'foo'"):
        emulated_session(graph, "force_fp16", ["loss"], foo=1)
    with pytest.raises(PrecisionError, match="float16"):
        emulated_session(graph, "float16", ["train"])


def test_what_is_of_another_graph_is_refused_as_by_any_session(network):
    tf = tf_compat.load()
    with tf.Graph().as_default():
        other = tf.constant(1.0, name="product")
    refused = pytest.raises((ValueError, TypeError), match="not an element of this graph")
    with emulated_session(graph_of(network), "force_fp16", "product") as session, refused:
        session.run(other)
    with pytest.raises(GraphError, match="of another graph"):
        emulated_session(graph_of(network), "force_fp16", [other])
    with emulated_session(graph_of(network), "force_fp16", network.product) as session:
        session.run(network.init)
        with pytest.raises(GraphError, match="loss: it is not planned"):
            session.run(network.loss, {network.rows: ROWS})
        with pytest.raises(GraphError, match="norm: it is not planned"):
            session.run("norm:0")  # of variables alone
        assert session.run(network.missing).size == 0


def test_an_inner_tensor_that_was_not_named_is_refused():
    """In a step that overflows it is infinite in the fast path, and was computed nowhere else."""
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        rows = tf.placeholder(tf.float32, [2, 2], "rows")
        inner = tf.matmul(rows, rows, name="inner")
        end = tf.sigmoid(inner * 0.5, name="end")
        shape = tf.shape(inner, name="shape")
    large = {rows: np.full((2, 2), 1e5)}
    with emulated_session(graph, "force_fp16", [end, shape]) as session:
        for asked in (inner, "inner:0", "inner"):
            with pytest.raises(GraphError, match=r"inner: it is right only .*\n.*'inner"):
                session.run(asked, large)
        session.run([end, shape, rows], large)
    for named, reference in (([end, inner], False), ([end], True)):
        with emulated_session(graph, "force_fp16", named, reference=reference) as session:
            same_bits(session.run(inner, large), np.full((2, 2), 65504.0))


def test_an_inner_tensor_is_fed_where_all_behind_it_take_that(network):
    graph, feeds = graph_of(network), {"rows:0": ROWS, "product:0": np.full((4, 3), 3.0)}
    refused = pytest.raises(TypeError, match=r"product: what is fed .*\n.*reference=True")
    for named in (["loss"], ["loss", "product"]):
        with emulated_session(graph, "force_fp16", named) as session, refused:
            session.run("loss:0", feeds)
    with emulated_session(graph, "force_fp16", ["loss"], reference=True) as session:
        session.run("init")
        assert session.run("loss:0", feeds) == 9


def test_one_call_does_for_a_graph_def_what_it_does_for_a_graph(network):
    graph_def = graph_of(network).as_graph_def()
    with emulated_session(graph_def, "force_fp16", "loss") as session:
        session.run("init")
        by_name = session.run("loss:0", {"rows:0": ROWS})
        same_bits(session.run(network.loss, {network.rows: ROWS}), by_name)


def test_an_iterator_of_the_graph_begins_and_feeds_what_is_planned():
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        iterator = tf.data.make_initializable_iterator(tf.data.Dataset.from_tensors(ROWS).repeat())
        rows = iterator.get_next()
        tf.reduce_sum(rows * 3.0, name="planned")
        tf.reduce_sum(rows * 5.0, name="other")
    with emulated_session(graph, "force_fp16", ["planned"]) as session:
        session.run(iterator.initializer)
        assert np.isfinite(session.run("planned:0"))
        with pytest.raises(GraphError, match="other: it is not planned"):
            session.run("other:0")
