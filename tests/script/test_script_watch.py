"""What a script's watch makes of what it hears."""

import gc
import os
import signal
import weakref
from pathlib import Path

import pytest
from taken_over import taken_over

from lenet_exp import tf_compat
from lenet_exp.record.store.journal import Journal
from lenet_exp.script import capture as capturing
from lenet_exp.script import watch as watching
from lenet_exp.script.asked import Asked
from lenet_exp.script.capture import Capture
from lenet_exp.script.emulated_run import EmulatedRun
from lenet_exp.script.history import History
from lenet_exp.script.record import Kept, ScriptRecord
from lenet_exp.script.seen import AllSeen
from lenet_exp.script.sessions import Prepared
from lenet_exp.script.step_graph import StepGraph
from lenet_exp.script.watch import Watch, not_found

FINE = Prepared((), None, None, True, number=1)
EMULATED = FINE._replace(run=EmulatedRun((), (), (), None, None), number=2)
REFUSED = FINE._replace(reason="a graph that can't be planned", number=3)


@pytest.mark.stackless
@pytest.mark.parametrize(("runs", "said"), [
    ([], "true"),
    ([FINE], "true"),
    ([EMULATED, FINE], "true"),
    ([REFUSED, FINE], "false"),
    ([EMULATED, REFUSED], "partly"),
])  # fmt: skip
def test_the_tag_says_what_was_emulated(runs, said):
    seen = AllSeen()
    for run in runs:
        seen.add(run, ())
    assert seen.emulated() == said


def test_what_matched_nothing_is_said():
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        with tf.name_scope("Adam"):
            tf.constant(1.0, name="epsilon")
        tf.constant(1.0, name="loss")
    seen, names = AllSeen(), ["Adam", "loss", "Adan"]
    seen.add(FINE, names)
    assert seen.not_kept(names) == []
    seen.add(FINE._replace(step=StepGraph(graph.as_graph_def(), {}, {})), names)
    (said,) = seen.not_kept(names)
    assert said.startswith("keep_dtype=Adan changed nothing")
    assert "Adam" in said


@pytest.mark.parametrize(("metric", "said"), [
    (None, []),
    ("loss", []),
    ("lss", ["metric=lss was not found: the training steps fetched loss:0"]),
    ("all", ["metric=all was not found: the training steps fetched loss:0"]),  # no number
    ("merged:0", ["metric=merged:0 was not found: the training steps fetched loss:0"]),  # a text
])  # fmt: skip
def test_a_metric_that_is_not_found_is_said(metric, said):
    tf = tf_compat.load()
    history = History(metric)
    with tf.Graph().as_default():
        tensors = [tf.constant(1.0, name="loss"), tf.constant([1.0], name="all"),
                   tf.constant("a summary", name="merged")]  # fmt: skip
        for _ in range(2):
            history.add(0.1, 0.0, False)
            history.loss(tensors, [1.0, [1.0], b"a summary"])
    assert not_found(history) == said


@pytest.mark.parametrize(("names", "loss"), [
    (["loss/accuracy", "loss/Mean"], "loss/Mean"),
    (["accuracy", "loss"], "loss"),
    (["loss/cross", "loss/add", "loss/total_loss"], "loss/total_loss"),
    (["loss/penalty", "loss/add_1"], "loss/add_1"),
    *(([f"loss/{name}"], None) for name in (
        "accuracy", "Accuracy_1", "top_acc", "acc1", "correct_prediction", "learning_rate_1",
        "scale", "steps")),
    *(([f"loss/{name}"], f"loss/{name}") for name in (
        "AccumulateNV2", "scaled_sum", "rate_distortion", "stepwise", "correction")),
    (["loss/learning_rate", "softmax_cross_entropy_loss/value"],
     "softmax_cross_entropy_loss/value"),
    (["accuracy", "cost"], "cost"),  # by its summary
    (["loss/cross_entropy", "steps"], "loss/cross_entropy"),
])  # fmt: skip
def test_the_loss_is_what_is_called_so_before_what_is_in_a_scope(names, loss):
    tf = tf_compat.load()
    history = History(None)
    with tf.Graph().as_default():
        start = tf.constant(1.0)
        made = {name: tf.add(start, 1.0, name=name) for name in names}
        if "cost" in made:
            tf.summary.scalar("loss", made["cost"])
            tf.summary.scalar("loss/accuracy", made["accuracy"])
        history.add(0.1, 0.0, False)
        history.loss([*made.values()], [float(at) for at in range(len(made))])
    assert history.losses == ({} if loss is None else {1: names.index(loss)})


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), "ResourceExhaustedError",
                                   ValueError("GraphDef cannot be larger than 2GB.")])  # fmt: skip
def test_a_capture_that_fails_ends_alone(error, tmp_path, monkeypatch, capsys):
    tf = tf_compat.load()
    if isinstance(error, str):
        error = getattr(tf.errors, error)(None, None, "No space left on device")

    def fail(*_):
        raise error

    monkeypatch.setattr(capturing, "_save", fail)
    capture = Capture(tmp_path / "captured", "train.py")
    watch = Watch(ScriptRecord(Kept("x.py", None, (), None, None, "x")), None, None, capture)
    with tf.Graph().as_default(), tf.Session() as session:
        tf.get_variable("w", [])
        session.run(tf.global_variables_initializer())
        watch.begun(FINE, session)
    assert watch.wants_given(FINE) is False
    assert "no capture: " in capsys.readouterr().err


@pytest.mark.parametrize("has_value", [True, False])
def test_the_scale_is_that_of_the_graph_s_last_manager(has_value):
    tf = tf_compat.load()
    from lenet_exp.script.bridge.loss_scale import (
        ExponentialUpdateLossScaleManager,
        FixedLossScaleManager,
    )

    with tf.Graph().as_default(), tf.Session() as session:
        assert watching._scale(session) is None
        FixedLossScaleManager(4)
        assert watching._scale(session) == 4
        ExponentialUpdateLossScaleManager(16, 3)
        if has_value:
            session.run(tf.global_variables_initializer())
        assert watching._scale(session) == (16 if has_value else None)


def test_a_graph_lives_no_longer_than_its_script_has_it(tmp_path):
    tf = tf_compat.load()
    from lenet_exp.script.bridge.loss_scale import FixedLossScaleManager

    kept = Kept("x.py", Path("x.py"), (), tmp_path / "record", "none", "x")
    watch = Watch(ScriptRecord(kept), None, capture=Capture(tmp_path / "captured", "x.py"))
    graphs = []
    with taken_over("force_fp16", watch, trace=True):
        for _ in range(2):
            with tf.Graph().as_default() as graph:
                w = tf.get_variable("w", initializer=[1.0])
                scaled = w * FixedLossScaleManager(4).get_loss_scale()
                train = tf.train.GradientDescentOptimizer(0.1).minimize(scaled)
                with tf.Session() as session:
                    session.run(tf.global_variables_initializer())
                    session.run(train)
            graphs.append(weakref.ref(graph))
            del graph, w, scaled, train, session
            gc.collect()
    watch.end("FINISHED")
    assert [there() for there in graphs] == [None, None]
    assert {path.name for path in (tmp_path / "record").iterdir()} >= {"precision.csv"}
    assert "train_2," in (tmp_path / "record" / "precision.csv").read_text()


def test_a_capture_that_can_not_be_written_ends_alone(capsys):
    capture = Capture(Path("/proc/captured"), "train.py")
    watch = Watch(
        ScriptRecord(Kept("x.py", Path("x.py"), (), None, None, "x")), None, None, capture
    )
    tf = tf_compat.load()
    with tf.Graph().as_default(), tf.Session() as session:
        tf.get_variable("w", [])
        session.run(tf.global_variables_initializer())
        watch.begun(FINE, session)
        watch.begun(FINE, session)
    assert capsys.readouterr().err.count("no capture: /proc/captured") == 1


@pytest.mark.stackless
def test_a_fork_that_lives_longer_keeps_nobody_from_the_record(tmp_path):
    kept = Kept("x.py", None, (), tmp_path / "record", "none", "x")
    watch = Watch(ScriptRecord(kept), None)
    watch.found(Asked(), [])
    child = os.fork()
    if child == 0:
        watch.let_go()
        os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(0)
    os.waitpid(child, os.WUNTRACED)
    watch.end("FINISHED")
    try:
        Journal(tmp_path / "record").close()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
