"""Which of a script's runs count as steps of training."""

import numpy as np
import pytest
from taken_over import taken_over

from lenet_exp import tf_compat
from lenet_exp.script.emulated_run import needed, trains

tf_compat.configure(hide_gpus=True, deterministic=True)


def _loss(tf):
    x = tf.placeholder(tf.float32, [4, 5], "x")
    w = tf.get_variable("w", initializer=np.ones((5, 3), np.float32))
    return tf.reduce_mean(tf.square(tf.matmul(x, w))), w


def optimizer(tf):
    return tf.train.AdamOptimizer().minimize(_loss(tf)[0])


def optimizer_with_a_metric(tf):
    loss, _ = _loss(tf)
    return [tf.train.MomentumOptimizer(0.1, 0.9).minimize(loss), tf.metrics.mean(loss)[1]]


def update_by_hand(tf):
    loss, w = _loss(tf)
    return tf.assign_sub(w, 0.1 * tf.gradients(loss, w)[0])


def update_without_gradients(tf):
    loss, w = _loss(tf)
    return tf.assign_add(w, tf.ones_like(w) * loss)


def write_by_hand(tf):
    loss, w = _loss(tf)
    return tf.assign(w, w - 0.1 * tf.gradients(loss, w)[0])


def sum_of_gradients(tf):
    loss, w = _loss(tf)
    total = tf.get_variable("total", initializer=np.zeros((5, 3), np.float32), trainable=False)
    return tf.assign_add(total, tf.gradients(loss, w)[0])


def metrics_of_an_evaluation(tf):
    loss, _ = _loss(tf)
    labels = tf.zeros([4, 3])
    return [tf.metrics.mean(loss)[1], tf.metrics.accuracy(labels, labels)[1],
            tf.metrics.auc(labels, labels)[1]]  # fmt: skip


def metric_of_gradients(tf):
    loss, w = _loss(tf)
    return tf.metrics.mean(tf.norm(tf.gradients(loss, w)[0]))[1]


def moving_average(tf):
    loss, _ = _loss(tf)
    mean = tf.get_variable("mean", initializer=0.0, trainable=False)
    return [loss, tf.assign_sub(mean, 0.1 * (mean - loss))]


def counter(tf):
    return [_loss(tf)[0], tf.assign_add(tf.train.get_or_create_global_step(), 1)]


def initial_values(tf):
    _loss(tf)
    return tf.global_variables_initializer()


def scattered(tf):
    return tf.scatter_nd([[1]], tf.reshape(_loss(tf)[0], [1]), [3])


TRAIN = (optimizer, optimizer_with_a_metric, update_by_hand, update_without_gradients,
         write_by_hand, sum_of_gradients)  # fmt: skip
NONE = (metrics_of_an_evaluation, metric_of_gradients, moving_average, counter, initial_values,
        scattered)  # fmt: skip


@pytest.mark.parametrize("resource", [False, True])
@pytest.mark.parametrize("kind", [*TRAIN, *NONE], ids=lambda kind: kind.__name__)
def test_what_changes_what_is_learnt_is_a_step(kind, resource):
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph, tf.variable_scope("", use_resource=resource):
        made = kind(tf)
        roots = made if isinstance(made, list) else [made]
        ops = [getattr(root, "op", root) for root in roots]
        assert trains(needed(graph, [], ops, [])) == (kind in TRAIN)


@pytest.mark.parametrize("mode", ["must_keep_origin_dtype", "allow_mix_precision"])
def test_a_script_s_evaluation_makes_no_steps(mode):
    tf = tf_compat.load()
    with taken_over(mode) as heard, tf.Graph().as_default():
        loss, _ = _loss(tf)
        train = tf.train.GradientDescentOptimizer(0.1).minimize(loss)
        value, update = tf.metrics.mean(loss)
        feeds = {"x:0": np.ones((4, 5), np.float32)}
        with tf.Session() as session:
            session.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
            for _ in range(2):
                session.run([loss, train], feeds)
                session.run(update, feeds)
            session.run(value)
    assert sum(call.prepared.trains for call in heard.calls) == 2
    assert [run.reason for run in heard.runs if run.reason] == []
