"""What of a person's graph a step takes: variables, feeds, and what is fed in a value's place."""

from __future__ import annotations

import numpy as np
import pytest

from lenet_exp import tf_compat
from lenet_exp.config.cli.command_line import settings_to_explain
from lenet_exp.errors import DataError
from lenet_exp.experiment.steps import (
    captured_step,
    graph_step,
    lenet_step,
    plan_of,
    with_precision,
)
from lenet_exp.precision import assign
from lenet_exp.precision.diagnosis.errors import diagnose
from lenet_exp.precision.diagnosis.exponents import exponents
from lenet_exp.precision.diagnosis.keep_list import keep_list
from lenet_exp.script.capture import Capture
from tests.networks.network import cross_entropy, dense
from tests.stacks import full_on_tf1

X = np.random.RandomState(0).randn(2, 4, 6).astype(np.float32)


def _rate(tf, kind):
    """Return a rate of 100 that is fed in the place of another one, and its tensor."""
    if kind == "constant":
        return tf.constant(1.0, name="rate"), "rate:0"
    if kind == "default":
        return tf.placeholder_with_default(1.0, [], "rate"), "rate:0"
    if kind == "one of two":
        return tf.unstack(tf.constant([2.0, 1.0]), name="rates")[1], "rates:1"
    return tf.placeholder(tf.float32, [], "rate"), "rate:0"


def written(folder, build, feeds, checkpoint=None):
    """Write what a graph and its feeds are read from; return the arguments of `graph_step`."""
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        tf.set_random_seed(1)
        fetches = build(tf)
        with tf_compat.session_class()(graph=graph) as session:
            session.run(tf.global_variables_initializer())
            if checkpoint:
                tf.train.Saver().save(session, str(folder / checkpoint))
    (folder / "net.pb").write_bytes(graph.as_graph_def().SerializeToString())
    np.savez(str(folder / "data.npz"), **feeds)
    prefix = folder / checkpoint if checkpoint else None
    return folder / "net.pb", folder / "data.npz", fetches, prefix


def network(tf, scale=1.0):
    """Return a network's loss, without its update, and what is scored."""
    x = tf.placeholder(tf.float32, [None, 6], "x")
    logits = dense(tf, dense(tf, x, 8, "first") * scale, 5, "last")
    return tf.reduce_mean(tf.square(logits), name="loss"), logits


OF_MODE = "modify_mixlist", "customize_dtypes", "precision_mode_v2"


@full_on_tf1
def test_another_precision_has_no_file_of_the_chip_that_a_run_was_made_on(tmp_path):
    (tmp_path / "mix.json").write_text('{"black-list": {"to-add": ["BiasAdd"]}}')
    chip = ["hardware=ascend910", "hardware.precision_mode_v2=mixed_float16"]
    chip.append(f"hardware.modify_mixlist={tmp_path / 'mix.json'}")
    recorded = settings_to_explain([*chip, "hardware.op_select_implmode=high_precision"])
    settings = with_precision(recorded, settings_to_explain(["precision=force_fp16"]))
    assert [getattr(settings.hardware, key) for key in OF_MODE] == [None] * 3
    assert settings.hardware.op_select_implmode == "high_precision"
    assert plan_of(lenet_step(settings), settings).mode == "force_fp16"
    # As an advice tries each mode of the run itself.
    assert plan_of(lenet_step(recorded), recorded, "force_fp16").mode == "force_fp16"


def with_metric(tf):
    loss, logits = network(tf)
    exact = tf.placeholder(tf.int64, [None], "exact")
    tf.metrics.accuracy(exact, tf.argmax(logits, 1), name="accuracy")
    tf.get_variable("unused", [3])
    tf.train.GradientDescentOptimizer(0.01).minimize(loss, name="train")
    return ["train", "loss:0"]


@pytest.mark.parametrize("checkpoint", [None, "saved"])
def test_only_what_the_step_takes_is_asked_for(tmp_path, checkpoint):
    given = written(tmp_path, with_metric, {"x": X}, checkpoint)
    step = graph_step(*given)
    assert {*step.values} == {"first/kernel", "first/bias", "last/kernel", "last/bias"}


def test_a_variable_that_the_step_takes_is_asked_for(tmp_path):
    def build(tf):
        with_metric(tf)
        return ["train", "accuracy/update_op:0"]

    given = written(tmp_path, build, {"x": X, "exact": np.zeros([2, 4], np.int64)}, "saved")
    with pytest.raises(DataError, match="holds no accuracy/total"):
        graph_step(*given)


@pytest.mark.parametrize("initialised", [True, False])
def test_a_capture_has_the_variables_of_metrics(tmp_path, initialised):
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        with_metric(tf)
        with tf_compat.session_class()(graph=graph) as session:
            session.run(tf.global_variables_initializer())
            if initialised:
                session.run(tf.local_variables_initializer())
            ends = ["train", *(["accuracy/update_op:0"] if initialised else [])]
            held = [graph.as_graph_element(end) for end in ends]
            made = Capture(tmp_path, "train.py")
            made.begin("key", session, held, "force_fp16")
            made.add({"x:0": X[0], "exact:0": np.zeros(4, np.int64)})
            made.end()
    step = captured_step(tmp_path, ())
    assert ("accuracy/total" in step.values) is initialised
    assert measured(step, "force_fp16").gradients


def measured(step, mode):
    """Make a step in all ways that there are; return its diagnosis."""

    def plan(names=()):
        return assign(step.graph_def, mode, fetches=step.fetches, keep_dtype=names)

    found = diagnose(plan(), step.values, step.feeds(0))
    exponents(plan(), step.values, step.feeds, 2)
    keep_list(plan, found, step.values, step.feeds(0), target=2.0, budget=1)
    return found


@full_on_tf1
@pytest.mark.parametrize("fed", [pytest.param("exact", marks=pytest.mark.full), "shape_only"])
def test_a_feed_that_the_step_does_not_need_is_left_out(tmp_path, fed):
    def build(tf):
        loss, _ = network(tf)
        like = tf.placeholder(tf.float32, [None, 3], "shape_only")
        loss = loss * tf.cast(tf.shape(like)[0], tf.float32)
        exact = tf.placeholder(tf.float32, [None], "exact")
        tf.reduce_mean(exact, name="metric")
        tf.train.GradientDescentOptimizer(0.01).minimize(loss, name="train")
        return ["train"]

    feeds = {"x": X, "shape_only": np.zeros([2, 4, 3])}
    feeds[fed] = feeds.get(fed, np.zeros([2, 4]))
    assert measured(graph_step(*written(tmp_path, build, feeds)), "force_fp16").gradients


@pytest.mark.parametrize("kind", [
    pytest.param("placeholder", marks=pytest.mark.full), "constant",
    pytest.param("default", marks=pytest.mark.full), "one of two",
])  # fmt: skip
def test_what_is_fed_in_place_of_a_value_is_fed_to_all_copies(tmp_path, kind):
    key = []

    def build(tf):
        rate, name = _rate(tf, kind)
        key.append(name)
        loss, _ = network(tf, rate * 0.5)
        tf.train.GradientDescentOptimizer(0.01).minimize(loss, name="train")
        return ["train"]

    given = written(tmp_path, build, {"x": X})
    np.savez(str(given[1]), **{"x": X, key[0]: np.array([100.0, 3.0], np.float32)})
    found = measured(graph_step(*given), "force_fp16")
    assert found.gradient.cosine > 0.999
    assert found.gradient.distance < 0.01
    assert any(each.operator.name == "mul" for each in found.operators)  # which is no constant


def of_pipeline(kind):
    """Return what builds a network that takes its examples out of a queue or an iterator."""

    def build(tf):
        if kind == "queue":
            x, labels = tf.FIFOQueue(9, [tf.float32, tf.int32], [[4, 6], [4]]).dequeue("next")
        else:
            examples = np.ones([8, 6], np.float32), np.zeros(8, np.int32)
            data = tf.data.Dataset.from_tensor_slices(examples).batch(4, True).repeat()
            made = getattr(tf.data, f"make_{kind}_iterator")(data)
            x, labels = made.get_next("next")
        loss = cross_entropy(tf, dense(tf, x, 5, "logits"), labels)
        tf.train.GradientDescentOptimizer(0.01).minimize(loss, name="train")
        return ["train"]

    return build


@pytest.mark.parametrize("kind", ["queue", "initializable", "one_shot"])
def test_a_pipeline_is_fed_by_what_it_gives(tmp_path, kind):
    feeds = {"next:0": X, "next:1": np.zeros([2, 4], np.int32)}
    given = written(tmp_path, of_pipeline(kind), feeds)
    assert measured(graph_step(*given), "force_fp16").gradients


@full_on_tf1
@pytest.mark.parametrize("kind", ["queue", "initializable", "one_shot"])
def test_a_pipeline_that_nobody_fills_is_not_waited_for(tmp_path, kind):
    given = written(tmp_path, of_pipeline(kind), {})
    if kind == "one_shot":  # which fills itself
        assert measured(graph_step(*given), "force_fp16").gradients
        return
    with pytest.raises(DataError, match="lacks next:0, next:1, which the step takes"):
        graph_step(*given)


def test_what_can_be_fed_is_offered(tmp_path):
    given = written(tmp_path, of_pipeline("initializable"), {"x": X})
    with pytest.raises(DataError, match="no tensor of the graph\n  try: next:0, next:1"):
        graph_step(*given)


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("", "--tf_xla_clustering_fuel=0"),
        ("--tf_xla_auto_jit=2", "--tf_xla_auto_jit=2 --tf_xla_clustering_fuel=0"),
        ("--tf_xla_clustering_fuel=9", "--tf_xla_clustering_fuel=9"),
        ("flags.txt", "flags.txt"),
    ],
)
def test_xla_looks_for_no_clusters_unless_somebody_asks_for_them(given, made):
    assert tf_compat.unclustered(given) == made
