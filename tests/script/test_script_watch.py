"""What a script's watch makes of what it hears."""

import os
import signal
from pathlib import Path

import pytest

from lenet_exp import tf_compat
from lenet_exp.record.store.journal import Journal
from lenet_exp.script.asked import Asked
from lenet_exp.script.capture import Capture
from lenet_exp.script.history import History
from lenet_exp.script.record import Kept, ScriptRecord
from lenet_exp.script.sessions import Prepared
from lenet_exp.script.step_graph import StepGraph
from lenet_exp.script.watch import Watch, emulated, not_found, not_kept

FINE = Prepared((), None, None, True)
EMULATED = FINE._replace(run=())
REFUSED = FINE._replace(reason="a graph that can't be planned")


@pytest.mark.stackless
@pytest.mark.parametrize(("runs", "said"), [
    ([], "true"),
    ([FINE], "true"),
    ([EMULATED, FINE], "true"),
    ([REFUSED, FINE], "false"),
    ([EMULATED, REFUSED], "partly"),
])  # fmt: skip
def test_the_tag_says_what_was_emulated(runs, said):
    assert emulated(runs) == said


def test_what_matched_nothing_is_said():
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        with tf.name_scope("Adam"):
            tf.constant(1.0, name="epsilon")
        tf.constant(1.0, name="loss")
    runs = [FINE, FINE._replace(step=StepGraph(graph.as_graph_def(), {}, {}))]
    assert not_kept(["Adam", "loss"], runs) == []
    (said,) = not_kept(["Adam", "Adan"], runs)
    assert said.startswith("keep_dtype=Adan changed nothing")
    assert "Adam" in said


@pytest.mark.parametrize(("metric", "said"), [
    (None, []),
    ("loss", []),
    ("lss", ["metric=lss was not found: the training steps fetched loss:0"]),
    ("all", ["metric=all was not found: the training steps fetched loss:0"]),  # no number
])  # fmt: skip
def test_a_metric_that_is_not_found_is_said(metric, said):
    tf = tf_compat.load()
    history = History(metric)
    with tf.Graph().as_default():
        tensors = [tf.constant(1.0, name="loss"), tf.constant([1.0], name="all")]
        for _ in range(2):
            history.add(1, 0.1, 0.0, 0)
            history.loss(tensors, [1.0, [1.0]])
    assert not_found(history) == said


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
