"""Small training steps, written by hand, with what a diagnosis is given."""

from __future__ import annotations

import numpy as np

from lenet_exp import tf_compat
from lenet_exp.precision import assign
from lenet_exp.precision.diagnosis.errors import diagnose
from tests.precision.small import FORCE


def step_of(build, values, mode=FORCE, **feeds):
    """Return the plan of what build(tf) returns, as (fetches), with values and feeds."""
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        fetches = [each.name for each in build(tf)]
        known = {v.op.name: v.dtype.base_dtype.as_numpy_dtype for v in tf.global_variables()}
        shapes = {v.op.name: v.shape.as_list() for v in tf.global_variables()}
    whole = {
        name: np.broadcast_to(np.asarray(values.get(name, 0), dtype), shapes[name])
        for name, dtype in known.items()
    }
    fed = {f"{name}:0": np.float32(value) for name, value in feeds.items()}
    return assign(graph.as_graph_def(), mode, fetches=fetches), whole, fed


def diagnosed(build, values, mode=FORCE, **feeds):
    """Return the diagnosis of such a step."""
    return diagnose(*step_of(build, values, mode, **feeds))


def linear(tf, width=1):
    """Return a variable "weight" and a loss with the gradient "x", both of `width` elements."""
    weight = tf.get_variable("weight", [width])
    return weight, tf.reduce_sum(weight * tf.placeholder(tf.float32, [width], "x"), name="loss")
