"""The names of npu_bridge on a CPU: which there are, what they do, what is refused."""

import ast
import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
from taken_over import taken_over

from lenet_exp import tf_compat
from lenet_exp.script.capture import Capture
from lenet_exp.script.record import Kept, ScriptRecord
from lenet_exp.script.watch import Watch

tf_compat.configure(hide_gpus=True, deterministic=True)
DOUBLE = Path(__file__).resolve().parents[1] / "npu_bridge_double"
NPU = "npu_bridge.estimator.npu"
# Of the test's double alone: a generation that has no such names, or the library behind them.
ITS_OWN = {"npu_bridge.tf_adapter", "npu_bridge.helper.helper", "npu_bridge"}


@pytest.fixture(autouse=True)
def bridge():
    """Have this process import npu_bridge from the product, and forget it afterwards."""
    from lenet_exp.script.bridge import modules

    tf_compat.load()
    modules.install()
    yield modules
    sys.meta_path[:] = [one for one in sys.meta_path if type(one).__name__ != "_Finder"]
    for name in [name for name in sys.modules if name.split(".")[0] in ("npu_bridge", "hccl")]:
        del sys.modules[name]


def _defined(file):
    """Return the classes and functions that a module of the double defines."""
    kinds = (ast.ClassDef, ast.FunctionDef)
    tree = ast.parse(file.read_text())
    return {node.name for node in tree.body if isinstance(node, kinds) and node.name[0] != "_"}


def test_what_the_double_has_is_there():
    lacking = []
    for file in [*DOUBLE.glob("npu_bridge/**/*.py"), *DOUBLE.glob("hccl/**/*.py")]:
        module = ".".join(file.relative_to(DOUBLE).with_suffix("").parts)
        if "double" in module or "__init__" in module or module in ITS_OWN:
            continue
        there = vars(importlib.import_module(module))
        lacking += [f"{module}.{name}" for name in _defined(file) if name not in there]
    assert lacking == []


STAR = {
    "NPURunConfig", "ProfilingConfig", "MemoryConfig", "DumpConfig", "NPUEstimator",
    "NPUEstimatorSpec", "NPUCheckpointSaverHook", "NPUOutputTensorHook",
    "NPUBroadcastGlobalVariablesHook", "NPUDistributedOptimizer",
    "npu_distributed_optimizer_wrapper", "NPUOptimizer", "npu_allreduce", "NPULossScaleOptimizer",
    "FixedLossScaleManager", "ExponentialUpdateLossScaleManager", "npu_ops", "npu_rnn",
    "npu_scope", "keras_to_npu", "npu_strategy", "util", "npu_plugin", "npu_unary_ops", "hccl_ops",
    "config_pb2", "RewriterConfig", "session", "get_rank_size", "get_rank_id", "npu_hooks_append",
    "npu_callbacks_append", "npu_config_proto", "npu_graph_options", "npu_run_config_init",
    "set_keras_session_npu_config", "init_resource", "shutdown_resource", "close_session",
    "npu_keras_optimizer", "npu_tf_optimizer", "npu_clear_session", "tf", "os",
}  # fmt: skip


def test_the_star_import_gives_what_scripts_use():
    there = {}
    exec("from npu_bridge.npu_init import *", there)
    assert STAR - {*there} == set()
    assert there["tf"].get_variable  # a graph's, as the vendor's for TensorFlow 2 gives


@pytest.mark.parametrize("name", ["set_keras_session_npu_config", "npu_clear_session"])
def test_a_session_of_keras_is_set_or_refused(name):
    import npu_bridge.npu_init

    tf = tf_compat.load()
    if tf_compat.stack_of_this_python() == "tf1":
        getattr(npu_bridge.npu_init, name)()
        assert tf.keras.backend.get_session()
        tf.keras.backend.clear_session()
        return
    with pytest.raises(NotImplementedError, match="a session of Keras'"):
        getattr(npu_bridge.npu_init, name)()


@pytest.mark.parametrize("module", ["npu_ops", "npu.npu_loss_scale_manager"])
def test_a_name_that_is_not_there_is_an_import_error(module):
    with pytest.raises(ImportError, match="no_such_name"):
        exec(f"from npu_bridge.estimator.{module} import no_such_name", {})


def test_what_is_lacking_is_refused_where_it_is_used():
    from npu_bridge.tbe.npu_cube_ops import deformable_conv2d

    with pytest.raises(NotImplementedError, match="deformable_conv2d of npu_bridge is not there"):
        deformable_conv2d(1)


def test_more_than_one_process_is_refused(monkeypatch):
    from npu_bridge.hccl import hccl_ops

    monkeypatch.setenv("RANK_SIZE", "8")
    with pytest.raises(NotImplementedError, match="8 processes"):
        hccl_ops.allreduce(np.zeros(1), "sum")


# npu-bridge-contract.md, 4: overflow, then the scale, good and bad after the step.
VECTOR = """0 16 1 0, 0 16 2 0, 0 32 0 0, 0 32 1 0, 1 32 0 1, 0 32 1 1, 1 16 0 0, 1 16 0 1,
    0 16 1 1, 0 16 2 1, 0 32 0 0, 1 32 0 1, 1 16 0 0"""


def test_the_scale_goes_through_the_vendor_s_states():
    from npu_bridge.estimator.npu.npu_loss_scale_manager import ExponentialUpdateLossScaleManager

    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        manager = ExponentialUpdateLossScaleManager(16, 3, 2, 2, 0.5)
        finite = tf.placeholder(tf.bool, [])
        update = manager.update_loss_scale(finite)
        state = [graph.get_tensor_by_name(f"{name}:0") for name in
                 ("loss_scale", "good_steps", "bad_steps")]  # fmt: skip
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            for row in VECTOR.split(","):
                overflow, *wanted = map(int, row.split())
                session.run(update, {finite: not overflow})
                assert session.run(state) == wanted


@pytest.mark.parametrize("mode", ["force_fp16", "allow_mix_precision"])
def test_a_step_that_overflows_is_skipped(mode):
    from npu_bridge.estimator.npu.npu_loss_scale_manager import FixedLossScaleManager
    from npu_bridge.estimator.npu.npu_loss_scale_optimizer import NPULossScaleOptimizer

    tf = tf_compat.load()
    with taken_over(mode) as heard, tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [4, 4])
        w = tf.get_variable("w", initializer=np.ones((4, 4), np.float32))
        loss = tf.reduce_sum(tf.matmul(x, w))
        step = tf.train.get_or_create_global_step()
        inner = tf.train.GradientDescentOptimizer(0.125)
        train = NPULossScaleOptimizer(inner, FixedLossScaleManager(8)).minimize(loss, step)
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            for value, steps in ((1, 1), (30000, 1), (1, 2)):
                session.run(train, {x: np.full((4, 4), value)})
                assert session.run(step) == steps
    skipped = [call.skipped for call in heard.calls if call.prepared.trains]
    assert skipped == [0, 1, 0]
    assert [run.reason for run in heard.runs if run.reason] == []


def test_a_run_makes_as_many_steps_as_its_loop_says():
    from npu_bridge.estimator.npu import util
    from npu_bridge.npu_init import npu_config_proto

    tf = tf_compat.load()
    config = npu_config_proto()
    config.graph_options.rewrite_options.custom_optimizers[0].parameter_map[
        "iterations_per_loop"].i = 5  # fmt: skip
    with taken_over() as heard, tf.Graph().as_default():
        data = tf.data.make_initializable_iterator(tf.data.Dataset.range(100))
        w = tf.get_variable("w", initializer=np.float32(0))
        loss = w * tf.cast(data.get_next(), tf.float32)
        step = tf.train.get_or_create_global_step()
        train = tf.train.GradientDescentOptimizer(1.0).minimize(loss, step)
        with tf.Session(config=config) as session:
            session.run(data.initializer)
            session.run(tf.global_variables_initializer())
            loop = util.set_iteration_per_loop(session, train, 5)
            session.run([loop, loss])
            assert session.run([step, w]) == [5, -10]
    assert sum(call.prepared.trains for call in heard.calls) == 5


def test_each_step_of_a_loop_is_counted_traced_and_captured(tmp_path):
    from npu_bridge.estimator.npu import util
    from npu_bridge.npu_init import npu_config_proto

    tf = tf_compat.load()
    config = npu_config_proto()
    config.graph_options.rewrite_options.custom_optimizers[0].parameter_map[
        "iterations_per_loop"].i = 5  # fmt: skip
    record = ScriptRecord(Kept("x.py", Path("x.py"), (), tmp_path / "record", "none", "x"))
    watch = Watch(record, None, capture=Capture(tmp_path / "captured", "x.py"))
    with taken_over("force_fp16", watch, trace=True), tf.Graph().as_default():
        data = tf.data.make_initializable_iterator(tf.data.Dataset.range(100))
        w = tf.get_variable("w", initializer=np.float32(1))
        loss = tf.multiply(w * tf.cast(data.get_next(), tf.float32), 30000.0, name="loss")
        train = tf.train.GradientDescentOptimizer(0.0).minimize(loss)
        with tf.Session(config=config) as session:
            session.run(data.initializer)
            session.run(tf.global_variables_initializer())
            loop = util.set_iteration_per_loop(session, train, 5)
            session.run([loop, loss])
    watch.let_go()
    history = watch.history
    assert [bool(count) for count in history.overflowed] == [False] * 3 + [True] * 2
    assert "overflows in 2 of them, the first in step 4" in history.text()
    assert history.losses == {1: 0, 2: 30000, 3: 60000, 4: 65504, 5: 65504}
    assert {*watch.counted()["train"].tally.first} == {0, 4}
    with np.load(str(tmp_path / "captured/feeds.npz")) as feeds:
        assert [feeds[name].tolist() for name in feeds] == [[0, 1, 2]]


def test_scopes_keep_types_and_leave_to_the_host():
    from npu_bridge.estimator.npu.npu_scope import keep_dtype_scope, without_npu_compile_scope

    tf = tf_compat.load()
    for scope in (keep_dtype_scope, without_npu_compile_scope):
        with taken_over("force_fp16"), tf.Graph().as_default():
            x = tf.placeholder(tf.float32, [2])
            with scope():
                kept = x * 1.0001
            rounded = x * 1.0001
            with tf.Session() as session:
                one, other = session.run([kept, rounded], {x: [3, 5]})
        assert (one != one.astype(np.float16)).all(), scope
        assert (other == other.astype(np.float16)).all()


@pytest.mark.parametrize("both", [False, True])
def test_the_lstm_is_that_of_tensorflow_s_cell(both):
    from npu_bridge.estimator.npu.npu_dynamic_rnn import DynamicRNN

    tf = tf_compat.load()
    steps, batch, size, hidden = 3, 2, 4, 5
    x = np.random.RandomState(0).standard_normal((steps, batch, size)).astype(np.float32)
    with tf.Graph().as_default():
        kind = {"direction": "BIDIRECTIONAL"} if both else {}
        found = DynamicRNN(hidden, tf.float32, forget_bias=1.0, **kind)(tf.constant(x))
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            y, w = session.run([found[0], tf.global_variables()[0]])
    first, kernel = (y[0], w[0]) if both else (y, w)
    np.testing.assert_allclose(first, _lstm(x, kernel, hidden), rtol=1e-5, atol=1e-6)
    if both:
        np.testing.assert_allclose(y[1], _lstm(x[::-1], w[1], hidden)[::-1], rtol=1e-5, atol=1e-6)


def _lstm(x, w, hidden):
    """Return the outputs of BasicLSTMCell with forget_bias 1 and biases of 0."""
    h = c = np.zeros((x.shape[1], hidden), np.float32)
    made = []
    for now in x:
        i, j, f, o = np.split(np.concatenate([now, h], 1) @ w, 4, 1)
        c = _sigmoid(f + 1) * c + _sigmoid(i) * np.tanh(j)
        h = _sigmoid(o) * np.tanh(c)
        made.append(h)
    return np.stack(made)


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("layer", ["DynamicGRUV2", "DynamicAUGRU"])
def test_a_gru_of_attention_zero_is_the_plain_one(layer):
    import npu_bridge.estimator.npu.npu_dynamic_rnn as layers

    tf = tf_compat.load()
    x = np.random.RandomState(0).standard_normal((3, 2, 4)).astype(np.float32)
    with tf.Graph().as_default():
        more = [np.zeros((3, 2), np.float32)] if layer == "DynamicAUGRU" else []
        found = getattr(layers, layer)(5, tf.float32)(tf.constant(x), *more)
        names = [one.op.name.split("/", 1)[1] for one in tf.global_variables()]
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            y = session.run(found[0])
    assert y.shape == (3, 2, 5)
    assert len(found) == (7 if more else 6)
    kind = layer.lower()
    assert names[0] == f"{kind}/weight_input"


@pytest.mark.parametrize(("layer", "given", "error", "said"), [
    ("DynamicGRUV2", {"direction": "BIDIRECTIONAL"}, NotImplementedError, "=UNIDIRECTIONAL"),
    ("DynamicAUGRU", {"direction": "BIDIRECTIONAL"}, NotImplementedError, "=UNIDIRECTIONAL"),
    ("DynamicRNN", {"direction": "BIDIRECTION"}, ValueError, "Invalid direction: BIDIRECTION"),
    ("DynamicGRUV2", {"gate_order": "hzr"}, ValueError, "expecting zrh or rzh"),
    ("DynamicRNN", {"cell_clip": 3.0}, NotImplementedError, "cell_clip=3.0 of DynamicRNN"),
    ("DynamicRNN", {"forget_bia": 1.0}, TypeError, "'forget_bia'"),
    ("DynamicGRUV2", {"forget_bias": 1.0}, TypeError, "'forget_bias'"),
])  # fmt: skip
def test_an_option_of_a_layer_that_is_not_computed_is_refused(layer, given, error, said):
    import npu_bridge.estimator.npu.npu_dynamic_rnn as layers

    with pytest.raises(error, match=said):
        getattr(layers, layer)(5, np.float32, **given)


def test_the_options_of_a_layer_have_the_vendor_s_order():
    from npu_bridge.estimator.npu.npu_dynamic_rnn import DynamicGRUV2, DynamicRNN

    assert DynamicRNN(5, np.float32, "LSTM", "BIDIRECTIONAL")._given["direction"] == "BIDIRECTIONAL"
    with pytest.raises(NotImplementedError, match="cell_depth=2 of DynamicGRUV2"):
        DynamicGRUV2(5, np.float32, "UNIDIRECTIONAL", 2)


def test_dropout_keeps_and_scales():
    from npu_bridge.estimator import npu_ops

    tf = tf_compat.load()
    with tf.Graph().as_default(), tf.Session() as session:
        assert npu_ops.dropout(tf.ones([4]), 1.0).shape == [4]
        made = session.run(npu_ops.dropout(tf.ones([1000]), 0.5, seed=1))
    assert set(np.unique(made)) == {0, 2}
