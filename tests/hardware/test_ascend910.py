"""A session on the chip, in processes that find its double."""

from __future__ import annotations

from tests.hardware import double

pytestmark = double.ONLY_TF1


def test_a_loop_that_the_device_would_not_find_is_refused():
    """Its name must be IterationOp exactly, and a second one gets another."""
    script = """
import json
from lenet_exp import tf_compat
from lenet_exp.errors import HardwareError
from lenet_exp.hardware import ascend910
ascend910.adapter()
tf = tf_compat.load()
with tf.Graph().as_default() as graph:
    step = tf.no_op()
    sent = {"use_off_line": True, "iterations_per_loop": 5}
    with ascend910.open_session(graph, sent, 1) as session:
        assert ascend910.loop(session, step, 1) is step
        assert ascend910.loop(session, step, 5).name == "IterationOp"
        try:
            ascend910.loop(session, step, 5)
        except HardwareError as error:
            print(json.dumps(str(error)))
"""
    assert "its loop is called IterationOp_1" in double.run(script)


def test_one_process_keeps_one_precision():
    """The device would go on with the first one without a word."""
    script = """
import json
from lenet_exp import tf_compat
from lenet_exp.errors import HardwareError
from lenet_exp.hardware import ascend910
ascend910.adapter()
sent = {"use_off_line": True, "precision_mode": "force_fp16"}
graph = tf_compat.load().Graph()
ascend910.open_session(graph, sent, 1).close()
ascend910.open_session(graph, sent, 1).close()
try:
    ascend910.open_session(graph, {**sent, "precision_mode": "allow_mix_precision"}, 1)
except HardwareError as error:
    print(json.dumps(str(error)))
"""
    assert "another value of precision_mode" in double.run(script)
