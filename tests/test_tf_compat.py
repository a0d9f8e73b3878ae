"""A person's own TensorFlow program, which plans a graph in the middle, stays as it was."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lenet_exp import tf_compat

pytestmark = pytest.mark.slow

PROGRAM = """
import os, sys, threading
import tensorflow as tf
from lenet_exp.precision import assign, emulate, report
from tensorflow.python import tf2
from tensorflow.python.framework import tensor

def settings():
    v1 = tf.compat.v1
    switched = v1.resource_variables_enabled(), v1.control_flow_v2_enabled(), tf2.enabled()
    shapes = tensor.Tensor._USE_EQUALITY, tf.TensorShape([2])[0]
    return tf.executing_eagerly(), switched, shapes, v1.logging.get_verbosity(), dict(os.environ)

graph = tf.Graph()
with graph.as_default():
    x = tf.compat.v1.placeholder(tf.float32, [4, 8], "x")
    product = tf.matmul(x, tf.compat.v1.get_variable("w", [8, 8], use_resource=False))
    tf.reshape(product + tf.fill([8], 0.5), tf.stack([tf.shape(x)[0], 2, 4]), name="y")
graph_def, before, made = graph.as_graph_def(), settings(), []

def plan():
    planned = assign(graph_def, "force_fp16", fetches=["y"])
    emulate(graph_def, planned)
    made.append((len(report(planned).records), tf.executing_eagerly()))

threads = [threading.Thread(target=plan) for _ in range(4)]
for each in threads:
    each.start()
for each in threads:
    each.join()
plan()
assert settings() == before and len(set(made)) == 1 and made[0][1] and len(made) == 5, made
module = tf.Module()
module.weights = tf.Variable([1.0, 2.0])
module.f = tf.function(lambda x: x * module.weights, [tf.TensorSpec([2], tf.float32)])
tf.saved_model.save(module, sys.argv[1])
loaded = tf.saved_model.load(sys.argv[1])
print("saved", loaded.f(tf.ones([2])).numpy())
"""


@pytest.mark.skipif(tf_compat.stack_of_this_python() == "tf1", reason="TensorFlow 2's eager mode")
def test_a_person_s_program_goes_on_in_eager_mode(tmp_path):
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "saved")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "saved [1. 2.]\n"
