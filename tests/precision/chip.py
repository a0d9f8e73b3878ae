"""float16 hardware in numpy, and emulated graphs in a session: the two sides of a test."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np

from lenet_exp import tf_compat
from lenet_exp.hardware import cpu
from lenet_exp.precision import assign, emulate
from tests.precision.small import FORCE, graph_of

LARGEST, OVERFLOW = 65504.0, 65520.0
ALL_HALVES = np.arange(2**16, dtype=np.uint16).view(np.float16)
FINITE_HALVES = ALL_HALVES[np.isfinite(ALL_HALVES)]


class Chip:
    """Numpy's float16, saturated, with NaN as 0; `flag` is set where the chip sets its own."""

    def __init__(self):
        self.flag = False

    def round(self, values):
        """Return float64 or float32 values rounded once, as float16."""
        values = np.asarray(values)
        self.flag |= bool(overflows(values).any())
        return saturate(values)


def saturate(values):
    held = np.where(np.isnan(values), 0, np.clip(values, -LARGEST, LARGEST))
    return np.asarray(held).astype(np.float16)


def overflows(values):
    with np.errstate(invalid="ignore"):
        return ~(np.abs(np.asarray(values, np.float64)) < OVERFLOW)


def bits(values):
    """Return what two equal tensors have in common, the sign of 0 included."""
    return np.ascontiguousarray(values).view(f"u{np.asarray(values).itemsize}")


def same_bits(got, expected):
    """Assert that float32 `got` are the values `expected` (float16 or float32), bit for bit."""
    got, expected = np.asarray(got), np.asarray(expected).astype(np.float32)
    assert got.dtype == np.float32
    assert got.shape == expected.shape
    wrong = np.nonzero(bits(got.ravel()) != bits(expected.ravel()))[0]
    assert wrong.size == 0, [(i, got.ravel()[i], expected.ravel()[i]) for i in wrong[:5]]


@contextmanager
def session_of(graph_def):
    """Yield a session of a GraphDef, with the options the product has."""
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_def, name="")
    with cpu.open_session(graph, threads=1) as session:
        yield session


class Run:
    """An emulated graph in a session; its variables have the values of `initial`."""

    def __init__(self, session, made, initial):
        self.session, self._made = session, made
        session.run(made.reset)
        for name, value in initial.items():
            self.set(name, value)

    def set(self, variable, value):
        graph = self.session.graph
        tf = tf_compat.load()
        with graph.as_default():
            feed = tf.placeholder(tf.float32, np.shape(value))
            handle = graph.get_operation_by_name(variable)
            if handle.type == "VarHandleOp":
                write = tf.raw_ops.AssignVariableOp(resource=handle.outputs[0], value=feed)
            else:
                write = tf.raw_ops.Assign(
                    ref=handle.outputs[0], value=feed, validate_shape=False
                )  # fmt: skip
        self.session.run(write, {feed: value})

    def get(self, variable):
        handle = self.session.graph.get_operation_by_name(variable)
        if handle.type != "VarHandleOp":
            return self.session.run(handle.outputs[0])
        tf = tf_compat.load()
        with self.session.graph.as_default():
            read = tf.raw_ops.ReadVariableOp(resource=handle.outputs[0], dtype=tf.float32)
        return self.session.run(read)

    def __call__(self, fetches, feeds=None):
        return self.session.run(fetches, feeds or {})

    @property
    def flag(self):
        return bool(self.session.run(self._made.float_status))

    def clear(self):
        self.session.run(self._made.reset)


@contextmanager
def emulated(graph_def, fetches, mode=FORCE, initial=None, reference=False, **options):
    """Yield a Run of a GraphDef under a mode."""
    plan = assign(graph_def, mode, fetches=fetches, **options)
    made = emulate(graph_def, plan, fetches=[f for f in fetches if ":" in f], reference=reference)
    with session_of(made.graph_def) as session:
        yield Run(session, made, initial or {})


def compute(build, feeds, mode=FORCE, initial=None, reference=False, **options):
    """Return the values of the tensors that build(tf) returns, and the flag afterwards."""
    graph_def, fetches = graph_of(build)
    with emulated(graph_def, fetches, mode, initial, reference, **options) as run:
        values = run(fetches, feeds)
        return values, run.flag
