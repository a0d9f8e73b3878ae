"""The training graph of section 10 of the reference, under the names of its tables."""

from __future__ import annotations

import functools

from lenet_exp import tf_compat
from lenet_exp.precision import assign

FC, CONV = ("fc1", "fc2", "fc3"), ("conv1", "conv2")
LAYERS = (*CONV, *FC)


def _variables(tf, scope, shape):
    with tf.variable_scope(scope):
        return tf.get_variable("kernel", shape), tf.get_variable("bias", shape[-1:])


def _conv(tf, inputs, scope, shape):
    kernel, bias = _variables(tf, scope, shape)
    product = tf.nn.conv2d(inputs, kernel, [1, 1, 1, 1], "SAME", name=f"{scope}/Conv2D")
    hidden = tf.sigmoid(tf.nn.bias_add(product, bias, name=f"{scope}/BiasAdd"), f"{scope}/Sigmoid")
    window = [1, 2, 2, 1]
    return tf.nn.max_pool(hidden, window, window, "SAME", name=f"{scope}/MaxPool")


def _dense(tf, inputs, scope, shape):
    kernel, bias = _variables(tf, scope, shape)
    product = tf.matmul(inputs, kernel, name=f"{scope}/MatMul")
    return tf.nn.bias_add(product, bias, name=f"{scope}/BiasAdd")


def _loss(tf, batch):
    images = tf.placeholder(tf.float32, [batch, 28, 28, 1], "images")
    labels = tf.placeholder(tf.int32, [batch], "labels")
    hidden = _conv(tf, images, "conv1", [5, 5, 1, 6])
    hidden = _conv(tf, hidden, "conv2", [5, 5, 6, 16])
    hidden = tf.reshape(hidden, [batch, 784], name="flatten/Reshape")
    hidden = tf.sigmoid(_dense(tf, hidden, "fc1", [784, 120]), "fc1/Sigmoid")
    hidden = tf.sigmoid(_dense(tf, hidden, "fc2", [120, 84]), "fc2/Sigmoid")
    logits = _dense(tf, hidden, "fc3", [84, 10])
    one_hot = tf.one_hot(labels, 10, name="one_hot")
    each = tf.nn.softmax_cross_entropy_with_logits_v2(labels=one_hot, logits=logits, name="xent")
    return tf.reduce_mean(each, name="loss/Mean")


def _gradients(tf, optimizer, loss, scale):
    if scale is None:
        return optimizer.compute_gradients(loss)
    pairs = optimizer.compute_gradients(tf.multiply(loss, scale, name="scaled_loss"))
    inverse = tf.reciprocal(scale, name="inv_scale")
    return [(tf.multiply(g, inverse, name=f"unscale/{v.op.name}"), v) for g, v in pairs]


def _scale(tf, kind):
    if kind == "none":
        return None
    if kind == "constant":
        return tf.constant(1024.0, name="scale")
    return tf.get_variable("scale", initializer=tf.constant(1024.0), trainable=False)


def own_copies(make):
    """Decorate what returns a GraphDef: it is built once, and everybody gets one to spoil."""
    built = functools.lru_cache(maxsize=None)(make)

    @functools.wraps(make)
    def copy(*args, **options):
        graph_def = tf_compat.load().GraphDef()
        graph_def.CopyFrom(built(*args, **options))
        return graph_def

    return copy


@own_copies
def training_graph(scale="none", batch=64):
    """Return the GraphDef without, with a constant or with a variable scale; fetch FETCHES."""
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        loss, optimizer = _loss(tf, batch), tf.train.AdamOptimizer()
        pairs = _gradients(tf, optimizer, loss, _scale(tf, scale))
        optimizer.apply_gradients(pairs, name="train")
    return graph.as_graph_def()


FETCHES = ("train", "loss/Mean")
FETCHES_OF_RUN = ("train", "loss/Mean:0")

_VENDOR = {
    "alloc_status": "NpuAllocFloatStatus",
    "get_status": "NpuGetFloatStatus",
    "clear_status": "NpuClearFloatStatus",
}


@own_copies
def conditional_graph(batch=64, stand_ins=False):
    """Return the graph of a variable scale as NPULossScaleOptimizer builds it.

    The status operators are `Npu*` nodes that no TensorFlow knows, or stand-ins marked with the
    chip's name. Source: npu-bridge-contract.md 4.
    """
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        loss, optimizer = _loss(tf, batch), tf.train.AdamOptimizer()
        status = tf.placeholder(tf.float32, [1], "alloc_status")
        pairs = _gradients(tf, optimizer, loss, _scale(tf, "variable"))
        with tf.control_dependencies([gradient for gradient, _ in pairs]):
            got = tf.identity(status, name="get_status")
        with tf.control_dependencies([got]):
            cleared = tf.identity(status, name="clear_status")
        with tf.control_dependencies([cleared]):
            finite = tf.reduce_all(tf.equal(status, cleared, name="Equal"), name="all_finite")
        tf.cond(finite, lambda: optimizer.apply_gradients(pairs), tf.no_op, name="update")
    graph_def = graph.as_graph_def()
    for node in graph_def.node:
        if node.name in _VENDOR and stand_ins:
            node.attr["_ge_type"].s = _VENDOR[node.name].replace("Npu", "NPU").encode()
        elif node.name in _VENDOR:
            node.op = _VENDOR[node.name]
            node.attr.clear()
    return graph_def


CONDITIONAL_FETCHES = ("update/Merge", "loss/Mean")


def graph_and_fetches(kind, batch=64):
    """Return the graph of a kind of scale: that, or "conditional", or that with "stand-ins"."""
    if kind in ("conditional", "stand-ins"):
        return conditional_graph(batch, kind == "stand-ins"), CONDITIONAL_FETCHES
    return training_graph(kind, batch), FETCHES


@functools.lru_cache(maxsize=None)
def plan_of(kind, mode, generation="today"):
    """Return the plan of such a graph, made once: not to be modified."""
    graph_def, fetches = graph_and_fetches(kind)
    return assign(graph_def, mode, generation=generation, fetches=fetches)
