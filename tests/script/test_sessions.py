"""A session that is taken over computes what `emulated_session` computes of the same graph."""

import gc
import itertools
import weakref

import numpy as np
import pytest
from taken_over import taken_over

from lenet_exp import tf_compat
from lenet_exp.errors import ConfigError
from lenet_exp.precision import emulated_session
from lenet_exp.script import asked

tf_compat.configure(hide_gpus=True, deterministic=True)
STEPS = 3
_NUMBERS = np.random.RandomState(0)
IMAGES = _NUMBERS.standard_normal((4, 6, 6, 1)).astype(np.float32)
ROWS = _NUMBERS.standard_normal((4, 5)).astype(np.float32) * 30


def _dense(tf, optimizer):
    x = tf.placeholder(tf.float32, [4, 5], "x")
    hidden = tf.nn.relu(_layer(tf, x, 7, "first"))
    loss = tf.reduce_mean(tf.square(_layer(tf, hidden, 3)), name="loss")
    return loss, optimizer.minimize(loss), {x: ROWS}


def _layer(tf, x, width, name=None):
    shape = [int(x.shape[-1]), width]
    with tf.variable_scope(name, "layer"):
        start = tf.random_normal(shape, seed=3)
        w = tf.get_variable("w", initializer=start)
        return tf.matmul(x, w) + tf.get_variable("b", [width], initializer=tf.zeros_initializer())


def adam(tf):
    return _dense(tf, tf.train.AdamOptimizer(0.01, epsilon=1e-3))


def momentum(tf):
    return _dense(tf, tf.train.MomentumOptimizer(0.01, 0.9))


def convolution(tf):
    x = tf.placeholder(tf.float32, [4, 6, 6, 1], "x")
    w = tf.get_variable("w", initializer=tf.random_normal([3, 3, 1, 2], seed=1))
    made = tf.nn.max_pool(tf.nn.conv2d(x, w, [1] * 4, "SAME"), [1, 2, 2, 1], [1, 2, 2, 1], "SAME")
    loss = tf.reduce_sum(made * made)
    return loss, tf.train.GradientDescentOptimizer(0.01).minimize(loss), {x: IMAGES}


def recurrent_loop(tf):
    x = tf.placeholder(tf.float32, [4, 5], "x")
    w = tf.get_variable("w", initializer=tf.random_normal([5, 5], seed=1) / 10)
    made = tf.while_loop(lambda i, h: i < 3, lambda i, h: (i + 1, tf.tanh(tf.matmul(h, w) + x)),
                         (0, x))[1]  # fmt: skip
    loss = tf.reduce_sum(made * made)
    return loss, tf.train.GradientDescentOptimizer(0.01).minimize(loss), {x: ROWS}


def embedding(tf):
    x = tf.placeholder(tf.int32, [4], "x")
    table = tf.get_variable("table", initializer=tf.random_normal([9, 5], seed=1))
    loss = tf.reduce_sum(tf.square(tf.nn.embedding_lookup(table, x)))
    return loss, tf.train.GradientDescentOptimizer(0.01).minimize(loss), {x: np.arange(4)}


def resource_variables(tf):
    with tf.variable_scope("", use_resource=True):
        return adam(tf)


def branch(tf):
    x = tf.placeholder(tf.float32, [4, 5], "x")
    w = tf.get_variable("w", initializer=tf.random_normal([5, 5], seed=1))
    y = tf.matmul(x, w)
    loss = tf.reduce_sum(tf.cond(tf.reduce_sum(y) > 0, lambda: tf.tanh(y), lambda: tf.sigmoid(y)))
    return loss, tf.train.GradientDescentOptimizer(0.01).minimize(loss), {x: ROWS}


def fed_inside(tf):
    loss, train, feeds = adam(tf)
    relu = next(op for op in loss.graph.get_operations() if op.type == "Relu")
    return loss, train, {**feeds, relu.outputs[0]: np.ones((4, 7), np.float32)}


KINDS = (adam, momentum, convolution, recurrent_loop, embedding, resource_variables, branch)


def _built(kind):
    tf = tf_compat.load()
    graph = tf.Graph()
    with graph.as_default():
        tf.set_random_seed(1)
        made = kind(tf)
        return graph, made, tf.global_variables_initializer()


def _losses(session, loss, train, feeds):
    return [session.run([loss, train], feeds)[0] for _ in range(STEPS)]


def _set(session, graph, values):
    for name, value in values.items():
        assign = graph.get_operation_by_name(f"{name}/Assign")
        session.run(assign, {assign.inputs[1]: value})


def _start(graph, initializer):
    """Return the initial values by the variables' names, not rounded."""
    tf = tf_compat.load()
    with graph.as_default(), tf.Session(graph=graph) as session:
        session.run(initializer)
        variables = graph.get_collection(tf.GraphKeys.GLOBAL_VARIABLES)
        return {each.op.name: session.run(each) for each in variables}


FORCED, MIXED = "force_fp16", "allow_mix_precision"
QUICK = (
    (convolution, FORCED), (recurrent_loop, FORCED), (embedding, FORCED), (branch, FORCED),
    (convolution, MIXED),
)  # fmt: skip
UNCHANGED = convolution, recurrent_loop, fed_inside


@pytest.mark.parametrize(("kind", "mode"), [
    pytest.param(kind, mode, id=f"{kind.__name__}-{mode}",
                 marks=() if (kind, mode) in QUICK else pytest.mark.full)
    for kind, mode in itertools.product(KINDS, (FORCED, MIXED))
])  # fmt: skip
def test_the_losses_are_those_of_an_emulated_session(kind, mode):
    tf = tf_compat.load()
    graph, (loss, train, feeds), initializer = _built(kind)
    start = _start(graph, initializer)
    with emulated_session(graph, mode, [loss, train]) as session:
        session.run(initializer.name)
        _set(session, session.graph, start)
        named = {tensor.name: value for tensor, value in feeds.items()}
        wanted = _losses(session, loss.name, train.name, named)
    nodes = graph.as_graph_def()
    with taken_over(mode) as heard, tf.Session(graph=graph) as session:
        session.run(initializer)
        _set(session, graph, start)
        assert _losses(session, loss, train, feeds) == wanted
        assert any(run.run for run in heard.runs) or mode != "force_fp16"
        assert [run.reason for run in heard.runs if run.reason] == []
        assert str(graph.as_graph_def()) == str(nodes)  # what a Saver and write_graph see
        assert sum(call.prepared.trains for call in heard.calls) == STEPS


@pytest.mark.parametrize("kind", [
    pytest.param(kind, id=kind.__name__, marks=() if kind in UNCHANGED else pytest.mark.full)
    for kind in (*KINDS, fed_inside)
])  # fmt: skip
def test_a_mode_that_changes_nothing_changes_no_bit(kind):
    tf = tf_compat.load()
    found = []
    for mode in (None, "must_keep_origin_dtype"):
        graph, (loss, train, feeds), initializer = _built(kind)
        with taken_over(mode), tf.Session(graph=graph) as session:
            session.run(initializer)
            found.append(_losses(session, loss, train, feeds))
    assert found[0] == found[1]


def test_an_inner_tensor_that_is_fed_is_a_border():
    tf = tf_compat.load()
    graph, (loss, train, feeds), initializer = _built(fed_inside)
    with taken_over("force_fp16") as heard, tf.Session(graph=graph) as session:
        session.run(initializer)
        losses = _losses(session, loss, train, feeds)
    assert [run.reason for run in heard.runs if run.reason] == []
    assert losses[-1] == np.float16(losses[-1])


@pytest.mark.parametrize(
    "way", ["make_callable", "finalized", "monitored", "interactive", "several"]
)
def test_every_way_to_run_is_emulated(way):
    tf = tf_compat.load()
    graph, (loss, train, feeds), initializer = _built(convolution)
    ((x, rows),) = feeds.items()
    with taken_over("force_fp16") as heard, graph.as_default():
        if way == "monitored":
            with tf.train.MonitoredTrainingSession() as session:
                losses = _losses(session, loss, train, feeds)
        elif way == "interactive":
            session = tf.InteractiveSession(graph=graph)
            session.run(initializer)
            losses = [loss.eval({x: rows})]
            session.close()
        else:
            if way == "finalized":
                graph.finalize()
            session = tf.Session(graph=graph)
            session.run(initializer)
            if way == "make_callable":
                losses = [session.make_callable([loss, train], [x])(rows)[0]]
            else:
                losses = _losses(session, loss, train, feeds)
            if way == "several":
                with tf.Session(graph=graph) as other:
                    other.run(initializer)
                    again = _losses(other, loss, train, feeds)
                assert again[0] == losses[0]
            session.close()
    assert losses[-1] == np.float16(losses[-1])
    assert [run.reason for run in heard.runs if run.reason] == []


def test_a_session_that_is_the_host_s_stays_unrounded():
    tf = tf_compat.load()
    graph, (loss, train, feeds), initializer = _built(convolution)
    config = tf.ConfigProto()
    tf_compat.keep_on_host(config)
    with taken_over("force_fp16") as heard, tf.Session(graph=graph, config=config) as session:
        session.run(initializer)
        losses = _losses(session, loss, train, feeds)
    assert losses[0] != np.float16(losses[0])
    assert heard.runs == []


def _config(**texts):
    """Return the configuration of a session of the chip."""
    config = tf_compat.load().ConfigProto()
    entry = config.graph_options.rewrite_options.custom_optimizers.add(name="NpuOptimizer")
    for key, text in texts.items():
        entry.parameter_map[key].s = text.encode()
    return config


def test_steps_that_can_not_be_planned_are_counted():
    tf = tf_compat.load()
    graph, (loss, train, feeds), initializer = _built(convolution)
    config = _config(precision_mode="allow_mix_precision", modify_mixlist="nowhere.json")
    with taken_over() as heard, tf.Session(graph=graph, config=config) as session:
        session.run(initializer)
        losses = _losses(session, loss, train, feeds)
    assert losses[-1] != np.float16(losses[-1])
    training = [call for call in heard.calls if call.prepared.trains]
    assert len(training) == STEPS
    assert {call.prepared.run for call in training} == {None}
    assert "nowhere.json" in training[0].prepared.reason


@pytest.mark.parametrize(("texts", "mode", "refused"), [
    ({}, "allow_fp32_to_fp16", ""),
    ({"precision_mode": "force_fp16"}, "force_fp16", ""),
    ({"precision_mode": "cube_fp16in_fp32out"}, "force_fp32", ""),
    ({"precision_mode_v2": "origin"}, "must_keep_origin_dtype", ""),
    ({"precision_mode": "force_fp16", "precision_mode_v2": "origin"}, "force_fp16",
     "precision_mode=force_fp16 beside precision_mode_v2=origin"),
    ({"precision_mode": ""}, "allow_fp32_to_fp16", "precision_mode="),
    ({"precision_mode": "fp16"}, "force_fp16", "precision_mode=fp16"),
    ({"precision_mode_v2": "force_fp16"}, "force_fp16", "precision_mode_v2=force_fp16"),
])  # fmt: skip
def test_what_today_s_adapter_refuses_of_a_mode_is_said(texts, mode, refused):
    found = asked.read(_config(**texts)).asked
    assert (found.mode, found.refused) == (mode, refused)
    said = f"today's adapter refuses {refused}"
    assert asked.chosen(found, {})[1] == ((said,) if refused else ())
    assert said not in asked.chosen(found, {"mode": "force_fp16"}, "error")[1]
    if refused:
        with pytest.raises(ConfigError, match="precision_mode_v2=fp16"):
            asked.chosen(found, {}, "error")
    else:
        assert asked.chosen(found, {}, "error")[0].mode == mode


@pytest.mark.parametrize("mode", [None, "force_fp16"])
def test_a_wrong_mode_of_the_script_counts_where_none_is_typed(mode, capfd):
    tf = tf_compat.load()
    graph, (loss, train, feeds), initializer = _built(convolution)
    config = _config(precision_mode="fp17")
    with taken_over(mode):
        if mode is None:
            with pytest.raises(ConfigError, match="precision_mode=fp17 is not possible"):
                tf.Session(graph=graph, config=config)
        else:
            with tf.Session(graph=graph, config=config) as session:
                session.run(initializer)
                loss = _losses(session, loss, train, feeds)[-1]
                assert loss == np.float16(loss)
    gc.collect()
    assert "Exception ignored" not in capfd.readouterr().err


@pytest.mark.parametrize("trace", [False, True])
def test_sessions_of_one_graph_share_what_is_planned(trace):
    tf = tf_compat.load()
    graph, (loss, train, feeds), initializer = _built(convolution)
    found = []
    with taken_over("force_fp16", trace=trace) as heard:
        for _ in range(2):
            with tf.Session(graph=graph) as session:
                session.run(initializer)
                found.append(_losses(session, loss, train, feeds))
    assert len(heard.runs) == 2  # the initial values, and the step
    assert found == found[:1] * 2
    assert len(heard.calls) == 2 * (1 + STEPS)


def test_what_is_known_of_a_graph_goes_with_it():
    tf = tf_compat.load()
    graph, (loss, train, feeds), initializer = _built(convolution)
    with taken_over("force_fp16") as heard, tf.Session(graph=graph) as session:
        session.run(initializer)
        _losses(session, loss, train, feeds)
    there = weakref.ref(graph)
    del graph, loss, train, feeds, initializer, session
    heard.runs.clear()
    heard.calls.clear()
    gc.collect()
    assert there() is None
