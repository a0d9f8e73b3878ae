"""float16 hardware in numpy, and emulated graphs in a session: the two sides of a test."""

from __future__ import annotations

import functools
import os
from contextlib import contextmanager

import numpy as np

from lenet_exp import cpu_session, tf_compat
from lenet_exp.precision import assign, emulate
from tests.precision.small import FORCE, graph_of

LARGEST, OVERFLOW = 65504.0, 65520.0
ALL_HALVES = np.arange(2**16, dtype=np.uint16).view(np.float16)
FINITE_HALVES = ALL_HALVES[np.isfinite(ALL_HALVES)]


class Chip:
    """Numpy's float16, saturated, with NaN as 0; `flag` is set where the chip sets its own."""

    def __init__(self, flush=False):
        self.flag, self.flush = False, flush

    def round(self, values):
        """Return float64 or float32 values rounded once, as float16."""
        values = np.asarray(values)
        self.flag |= bool(overflows(values).any())
        return saturate(values, self.flush)


def saturate(values, flush=False):
    held = np.where(np.isnan(values), 0, np.clip(values, -LARGEST, LARGEST))
    halves = np.asarray(held).astype(np.float16)
    small = np.abs(halves) < np.float16(2.0**-14)
    return np.where(small, np.copysign(np.float16(0), halves), halves) if flush else halves


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


def session_of(graph_def, optimize=False):
    """Return a session of a GraphDef; use it in a `with`.

    `optimize`: with the options that the product's training has. Grappler takes longer than most
    tests compute, so in `make test` only what shows that its rewriting changes no bit has it; in
    `make test-full` all have.
    """
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(with_access(graph_def), name="")
    return cpu_session.open_session(graph, 1, optimize or "TEST_GRAPPLER" in os.environ)


def with_access(graph_def):
    """Return a GraphDef with what reads and writes each of its variables, for Run."""
    made = tf_compat.load().GraphDef()
    made.CopyFrom(graph_def)
    for node in graph_def.node:
        if node.op not in ("VariableV2", "VarHandleOp"):
            continue
        add = functools.partial(_added, made, node.attr["dtype"])
        value, read, write = (f"{kind}/{node.name}" for kind in ("value", "read", "write"))
        add("Placeholder", value)
        if node.op == "VarHandleOp":
            add("ReadVariableOp", read, node.name)
            add("AssignVariableOp", write, node.name, value)
        else:
            add("Identity", read, node.name)
            add("Assign", write, node.name, value).attr["validate_shape"].b = False
    return made


def _added(graph_def, dtype, op, name, *inputs):
    node = graph_def.node.add(name=name, op=op, input=inputs)
    node.attr["T" if op in ("Identity", "Assign") else "dtype"].CopyFrom(dtype)
    return node


class Run:
    """An emulated graph in a session; its variables have the values of `initial`."""

    def __init__(self, session, made, initial):
        self.session, self._made = session, made
        self.begin(initial)

    def begin(self, initial):
        """Clear the flag and give variables their first values."""
        self._write(initial, [] if self._made is None else [self._made.reset])

    def set(self, values):
        """Give variables new values, by name."""
        self._write(values, [])

    def _write(self, values, operations):
        feeds = {f"value/{name}:0": value for name, value in values.items()}
        self.session.run([*operations, *(f"write/{name}" for name in values)], feeds)

    def get(self, name):
        return self.get_all([name])[0]

    def get_all(self, names):
        """Return the values of variables."""
        return self.session.run([f"read/{name}:0" for name in names])

    def __call__(self, fetches, feeds=None):
        return self.session.run(fetches, feeds or {})

    @property
    def flag(self):
        return bool(self.session.run(self._made.float_status))

    def clear(self):
        self.session.run(self._made.reset)


def graph_under(graph_def, fetches, mode, reference, flush=False, **options):
    """Return what `emulate` makes of a GraphDef under a mode."""
    plan = assign(graph_def, mode, fetches=fetches, **options)
    asked = [f for f in fetches if ":" in f]
    return emulate(graph_def, plan, fetches=asked, reference=reference, flush_subnormals=flush)


@contextmanager
def emulated(graph_def, fetches, mode=FORCE, initial=None, reference=False, **options):
    """Yield a Run of a GraphDef under a mode."""
    made = graph_under(graph_def, fetches, mode, reference, **options)
    with session_of(made.graph_def) as session:
        yield Run(session, made, initial or {})


@functools.lru_cache(maxsize=64)
def kept(make, *arguments, mode=FORCE, reference=False, optimize=False, **options):
    """Return a Run of the GraphDef and fetches that make(*arguments) returns, and the fetches.

    One session serves every test of the same graph: each begins with Run.begin.
    """
    graph_def, fetches = make(*arguments)
    made = graph_under(graph_def, fetches, mode, reference, **options)
    # Not closed here: TensorFlow does so where nothing needs the session any more.
    return Run(session_of(made.graph_def, optimize), made, {}), fetches


def compute(build, feeds, mode=FORCE, initial=None, reference=False, **options):
    """Return the values of the tensors that build(tf) returns, and the flag afterwards.

    Where `build` is the same function again, so is its session.
    """
    run, fetches = kept(graph_of, build, mode=mode, reference=reference, **options)
    run.begin(initial or {})
    values = run(fetches, feeds)
    return values, run.flag
