"""float16 of the graph's own that is made where nothing saturates: rounded once, on both paths."""

from __future__ import annotations

import numpy as np
import pytest

from lenet_exp import tf_compat
from lenet_exp.precision import assign, emulate, emulated_session
from tests.precision.chip import Run, same_bits, session_of
from tests.precision.emulation.test_emulate import BOTH
from tests.precision.small import FORCE, MIX

X = np.float16([[1.1, 2.2], [3.3, 1e-4]])
INFINITE = np.float16([[np.inf, -np.inf], [np.nan, 0.1]])
HELD = np.float16([[65504, -65504], [0, 0.1]])


def iterated(tf, x):
    data = tf.data.Dataset.from_tensors(INFINITE).repeat()
    return tf.data.make_one_shot_iterator(data).get_next()


def called(tf, x):
    return tf.ensure_shape(tf.py_func(doubled, [x], tf.float16), [2, 2])


def doubled(values):
    assert values.dtype == np.float16
    return values * np.float16(2)


def queued(tf, x):
    queue = tf.FIFOQueue(9, [tf.float16], [[2, 2]])
    with tf.control_dependencies([queue.enqueue(x)]):
        return queue.dequeue()


def of_bytes(tf, x):
    return tf.reshape(tf.decode_raw(tf.constant(X.tobytes()), tf.float16), [2, 2])


def of_doubles(tf, x):
    wide = tf.constant([[2049.5, 1e300], [-70000, np.nan]], tf.float64)
    return tf.cast(tf.placeholder_with_default(wide, [2, 2]), tf.float16)


def drawn(tf, x):
    return tf.raw_ops.RandomStandardNormal(shape=[2, 2], dtype=tf.float16, seed=3, seed2=4)


# What is made where nothing saturates, and what the chip reads of it; None: see the kernels.
SOURCES = {
    "drawn": (drawn, None),
    "by the AI CPU": (lambda tf, x: tf.lgamma(x), None),
    "inverse": (lambda tf, x: tf.linalg.inv(x), None),
    "by the host": (lambda tf, x: tf.roll(x, 1, 0), X[::-1]),
    "fed": (lambda tf, x: x, X),
    "fed, with a default": (lambda tf, x: tf.placeholder_with_default(x, [2, 2]), X),
    "iterated": (iterated, HELD),
    "called": (called, 2 * X),
    "queued": (queued, X),
    "of bytes": (of_bytes, X),
    "of float64": (of_doubles, np.float16([[2050, 65504], [-65504, 0]])),
    "constant": (
        lambda tf, x: tf.where(x > 2.0, x, tf.fill([2, 2], tf.constant(-np.inf, tf.float16))),
        np.where(X > 2, X, np.float16(-65504)),
    ),
}


@pytest.mark.parametrize("mode", [MIX, FORCE])
@pytest.mark.parametrize("source", SOURCES)
def test_it_is_rounded_once_and_sets_no_flag(source, mode):
    (make, expected), tf, found = SOURCES[source], tf_compat.load(), []
    with tf.Graph().as_default() as graph:
        made = make(tf, tf.placeholder(tf.float16, [2, 2], "x"))
        names = [tf.maximum(made, made).name, (made * tf.constant(0.3, tf.float16)).name]
    for reference in (False, True):
        graph_def = graph.as_graph_def()
        plan = assign(graph_def, mode, fetches=names)
        emulated = emulate(graph_def, plan, fetches=names, reference=reference)
        with session_of(emulated.graph_def) as session:
            run = Run(session, emulated, {})
            found.append(run(names, {"x:0": X}))
            assert not run.flag
    for one, other in zip(*found):
        same_bits(one, other)
    value, product = found[0]
    same_bits(value, value.astype(np.float16))
    with np.errstate(over="ignore"):
        same_bits(product, value.astype(np.float16) * np.float16(0.3))
    if expected is not None:
        same_bits(value, expected)


@pytest.mark.parametrize("is_resource", [False, True], ids=["reference", "resource"])
def test_a_float16_variable_is_initialised_saved_and_restored(is_resource, tmp_path):
    tf, path = tf_compat.load(), str(tmp_path / "model.ckpt")
    with tf.Graph().as_default() as graph:
        kinds = {"initializer": tf.constant([0.1, 0.2], tf.float16), "use_resource": is_resource}
        variable = tf.get_variable("variable", **kinds)
        loss = tf.reduce_sum(tf.square(variable) * 0.3, name="loss")
        train = tf.train.MomentumOptimizer(0.1, 0.9).minimize(loss, name="train")
        init, saver = tf.global_variables_initializer(), tf.train.Saver()
        missing = tf.report_uninitialized_variables()
    for mode in (MIX, FORCE):
        found = []
        for reference in (False, True):
            with emulated_session(graph, mode, [train, loss], reference=reference) as session:
                assert session.run(missing).size == 2
                session.run(init)
                first = session.run(variable)
                session.run(train)
                saver.save(session, path, write_meta_graph=False)
                session.run(train)
                saver.restore(session, path)
                found.append(session.run(variable))
        same_bits(*found)
        same_bits(found[0], found[0].astype(np.float16))
        same_bits(first, np.float16([0.1, 0.2]))
        assert (found[0] != first).all()
    with tf.Session(graph=graph) as session:  # the graph's own types are in it
        saver.restore(session, path)
        np.testing.assert_array_equal(session.run(variable), found[0].astype(np.float16))


@BOTH
def test_data_of_a_loop_is_read_in_it(reference):
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        data = tf.data.Dataset.from_tensors(X).repeat()
        iterator = tf.data.make_one_shot_iterator(data)
        _, total = tf.while_loop(
            lambda i, _: i < 3,
            lambda i, total: (i + 1, total + iterator.get_next()),
            [tf.constant(0), tf.zeros([2, 2], tf.float16)],
        )
    with emulated_session(graph, FORCE, [total], reference=reference) as session:
        same_bits(session.run(total), (X + X) + X)
