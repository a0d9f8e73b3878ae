"""Where a script's data comes from: queues, pipelines, Python. What makes them is left as it is."""

import numpy as np
import pytest
from taken_over import taken_over

from lenet_exp import tf_compat

tf_compat.configure(hide_gpus=True, deterministic=True)
STEPS = 4
ROWS = np.random.RandomState(0).standard_normal((16, 5)).astype(np.float32) + 0.0001


def fed(tf):
    x = tf.placeholder(tf.float32, [4, 5])
    return x, lambda step: {x: ROWS[4 * step : 4 * step + 4]}


def queue(tf):
    """A producer of rows, and batches of them: two queues, each with a thread."""
    row = tf.train.slice_input_producer([tf.constant(ROWS)], shuffle=False)[0]
    return tf.train.batch([row], 4, num_threads=1), None


def fifo(tf):
    """A queue that the script itself fills in its training step."""
    made = tf.FIFOQueue(20, [tf.float32], [[4, 5]])
    with tf.control_dependencies([made.enqueue([tf.constant(ROWS[:4])])]):
        return tf.reshape(made.dequeue(), [4, 5]), None


def py_func(tf):
    """Python among the operators, whose result the chip's go on with."""
    x, feeds = fed(tf)
    made = tf.py_func(lambda rows: rows * np.float32(1.0001), [x], tf.float32, stateful=False)
    made.set_shape([4, 5])
    return made, feeds


def dataset(tf):
    data = tf.data.Dataset.from_tensor_slices(ROWS).map(
        lambda row: tf.py_func(lambda one: one + np.float32(1), [row], tf.float32)
    )
    data = data.map(lambda row: tf.reshape(row, [5])).batch(4).repeat()
    iterator = tf.data.make_initializable_iterator(data)
    tf.add_to_collection(tf.GraphKeys.TABLE_INITIALIZERS, iterator.initializer)
    return tf.reshape(iterator.get_next(), [4, 5]), None


def dropout(tf):
    x, feeds = fed(tf)
    return tf.nn.dropout(x, rate=0.25, seed=3), feeds


KINDS = (fed, queue, fifo, py_func, dataset, dropout)


def _losses(kind):
    """Return the losses of some steps, and the data of each."""
    tf = tf_compat.load()
    with tf.Graph().as_default():
        tf.set_random_seed(1)
        x, feeds = kind(tf)
        w = tf.get_variable("w", initializer=tf.random_normal([5, 3], seed=2))
        loss = tf.reduce_mean(tf.square(tf.nn.relu(tf.matmul(x, w))), name="loss")
        train = tf.train.MomentumOptimizer(0.01, 0.9).minimize(loss)
        with tf.Session() as session:
            session.run([tf.global_variables_initializer(), tf.tables_initializer()])
            coordinator = tf.train.Coordinator()
            threads = tf.train.start_queue_runners(session, coordinator)
            found = [
                session.run([loss, x, train], feeds(step) if feeds else None)[:2]
                for step in range(STEPS)
            ]
            coordinator.request_stop()
            coordinator.join(threads, stop_grace_period_secs=5, ignore_live_threads=True)
    return found


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_mode_changes_the_network_and_nothing_of_its_data(kind):
    plain = _losses(kind)
    with taken_over("must_keep_origin_dtype") as heard:
        kept = _losses(kind)
    assert [run.reason for run in heard.runs if run.reason] == []
    assert [float(loss) for loss, _ in kept] == [float(loss) for loss, _ in plain]
    with taken_over("force_fp16") as heard:
        forced = _losses(kind)
    assert [run.reason for run in heard.runs if run.reason] == []
    assert sum(call.prepared.trains for call in heard.calls) == STEPS
    for (loss, data), (_, own) in zip(forced, plain):
        assert loss == np.float16(loss)
        if kind is not dropout:  # whose operators are the chip's
            assert np.array_equal(np.float16(data), np.float16(own))
