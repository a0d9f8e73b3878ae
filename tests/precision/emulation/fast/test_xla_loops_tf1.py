"""Chains of float16 operations that XLA compiles: which they are, and the same bits."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from lenet_exp import tf_compat
from lenet_exp.precision import assign, emulate
from lenet_exp.precision.emulation.fast.xla_loops_tf1 import launched
from lenet_exp.precision.ir.builder import Nodes
from tests.precision import lenet_graph
from tests.precision.chip import FINITE_HALVES, OVERFLOW, same_bits, session_of
from tests.precision.emulation.exact.test_rounding import INPUTS
from tests.precision.small import ALLOW, FORCE, KEEP, MIX

TF1 = pytest.mark.skipif(sys.version_info >= (3, 8), reason="TensorFlow 2's kernels are fast")
HALVES = FINITE_HALVES.astype(np.float32)


class Chain:
    """Nodes that take float32 x and y of one shape, and scalar z; `end` is the last."""

    def __init__(self, shape):
        tf = tf_compat.load()
        self.nodes, self.shape = Nodes("xyz"), shape
        self.leaves = {"x": shape, "y": shape, "z": ()}
        for name, each in self.leaves.items():
            self.nodes.add("Placeholder", [], name, final=name, dtype=tf.float32)
            self.nodes.made[-1].attr["shape"].shape.CopyFrom(tf.TensorShape(each).as_proto())

    def half(self, tensor, name="half"):
        return self.nodes.cast(tensor, "float32", "float16", name)

    def wide(self, tensor, name="wide", final=None):
        return self.nodes.cast(tensor, "float16", "float32", name, final)

    def op(self, op, *inputs):
        return self.nodes.add(op, inputs, op, T=self.nodes.tf.float16)

    def graph_def(self, compiled):
        """Return the GraphDef, its chains compiled or not."""
        tf = tf_compat.load()
        graph_def = tf.GraphDef()
        made = self.nodes.made
        if compiled:
            with tf.Graph().as_default() as graph:
                tf.import_graph_def(_of(made), name="")
            shapes = {
                op.name: tuple(op.outputs[0].shape.as_list()) for op in graph.get_operations()
            }
            made, functions = launched(made, shapes, ["end"], self.nodes)
            graph_def.library.function.extend(functions)
        graph_def.node.extend(made)
        return graph_def


def _of(nodes):
    graph_def = tf_compat.load().GraphDef()
    graph_def.node.extend(nodes)
    graph_def.versions.producer = 27  # before, a placeholder of no dimension had any shape
    return graph_def


def launches(graph_def):
    return [node.name for node in graph_def.node if node.op == "XlaLaunch"]


def both(chain, feeds):
    """Return `end` as computed by TensorFlow's kernels, and compiled."""
    found = []
    for compiled in (False, True):
        graph_def = chain.graph_def(compiled)
        assert bool(launches(graph_def)) is compiled
        with session_of(graph_def) as session, np.errstate(all="ignore"):
            found.append(session.run("end:0", {f"{k}:0": v for k, v in feeds.items()}))
    return found


def same(one, other):
    """Assert the same bits where the first is finite; that the others are not finite either."""
    assert not np.isfinite(other[~np.isfinite(one)]).any()
    same_bits(other[np.isfinite(one)], one[np.isfinite(one)])


@TF1
@pytest.mark.parametrize("inputs", INPUTS.values(), ids=INPUTS)
def test_rounding(inputs):
    values = np.resize(inputs(), max(inputs().size, 4096))
    chain = Chain(values.shape)
    chain.wide(chain.half("x"), final="end")
    _, compiled = both(chain, {"x": values})
    fine = np.abs(values) < OVERFLOW
    same_bits(compiled[fine], values[fine].astype(np.float16))
    assert not np.isfinite(compiled[~fine]).any()


@TF1
@pytest.mark.parametrize("op", ["Exp", "Neg", "Reciprocal"])
def test_every_half(op):
    chain = Chain(HALVES.shape)
    chain.wide(chain.op(op, chain.half("x")), final="end")
    same(*both(chain, {"x": HALVES}))


@TF1
@pytest.mark.parametrize("op", ["AddV2", "Maximum", "Minimum", "Mul", "RealDiv", "Sub"])
@pytest.mark.parametrize("scalar", [False, True], ids=["pairs", "with a scalar"])
def test_pairs(op, scalar):
    random = np.random.RandomState(0)
    one, other = (HALVES[random.randint(0, HALVES.size, (64, 4096))] for _ in range(2))
    chain = Chain(one.shape)
    inputs = [chain.half("x"), chain.half("z" if scalar else "y")]
    chain.wide(chain.op(op, *inputs), final="end")
    for value in (3.0, 1 / 3, -(2.0**-14)) if scalar else (0,):
        same(*both(chain, {"x": one, "y": other, "z": value}))


@TF1
def test_each_of_many_operations_is_rounded():
    """LLVM drops the rounding of a float16 sum whose next operation is float16 too."""
    random = np.random.RandomState(1)
    one, other = (HALVES[random.randint(0, HALVES.size, (8, 4, 8, 256))] for _ in range(2))
    chain = Chain(one.shape)
    value, x, y = chain.half("x"), chain.half("x"), chain.half("y")
    for op in ("AddV2", "Mul", "Sub", "RealDiv", "AddV2"):
        value = chain.op(op, value, y)
        value = chain.op("Sub", value, x)
    chain.wide(value, final="end")
    same(*both(chain, {"x": one / 64, "y": other / 64}))


@TF1
def test_what_takes_part_in_a_sum_of_itself_is_two_launches():
    """As a mean does: in one launch, the product would wait for its own sum."""
    chain = Chain((64, 128))
    rounded = chain.wide(chain.half("x"))
    total = chain.nodes.float_op("L2Loss", [rounded], "total")
    product = chain.nodes.float_op("Mul", [rounded, total], "product")
    chain.wide(chain.half(product), final="end")
    assert len(launches(chain.graph_def(compiled=True))) == 2
    same(*both(chain, {"x": np.random.RandomState(2).rand(64, 128)}))


@pytest.mark.parametrize(
    ("shape", "count"),
    [((2047,), 0), ((2048,), 1), ((2, 4, 4, 64), 1), ((None, 4096), 0), ((), 0)],
    ids=str,
)
def test_only_large_tensors_of_known_shape_are_compiled(shape, count):
    chain = Chain(shape)
    chain.wide(chain.half("x"), final="end")
    known = {name: shape for name in ("x", "half", "end") if None not in shape}
    assert len(launched(chain.nodes.made, known, ["end"], chain.nodes)[1]) == count


def test_a_sum_of_float32_products_is_not_compiled():
    """LLVM would join them, and round once."""
    chain = Chain((4096,))
    product = chain.nodes.float_op("Mul", ["x", "y"], "product")
    total = chain.nodes.float_op("AddV2", [product, "y"], "total")
    chain.wide(chain.half(total), final="end")
    shapes = dict.fromkeys(("x", "y", "product", "total", "half", "end"), (4096,))
    left, functions = launched(chain.nodes.made, shapes, ["end"], chain.nodes)
    assert {"product", "total"} < {node.name for node in left}
    (function,) = functions
    assert [argument.name for argument in function.signature.input_arg] == ["argument_0"]


@pytest.mark.parametrize(
    ("mode", "some"), [(MIX, True), (ALLOW, True), (FORCE, True), (KEEP, False)]
)
def test_only_tensorflow_1_compiles_lenets_float16(mode, some):
    graph_def, fetches = lenet_graph.training_graph("none", 4), ["train"]
    plan = assign(graph_def, mode, fetches=fetches)
    tf1 = sys.version_info < (3, 8)
    assert bool(launches(emulate(graph_def, plan).graph_def)) is (some and tf1)
    assert not launches(emulate(graph_def, plan, reference=True).graph_def)


FAST = {
    "fast": "--xla_cpu_enable_fast_math=true",
    "default": "",
    "fast at last": "--xla_cpu_enable_fast_math=false --xla_cpu_enable_fast_math=true",
    "a file, and no flags": "flags.txt --xla_cpu_enable_fast_math=false",
}


@pytest.mark.parametrize("flags", FAST.values(), ids=FAST)
def test_nothing_is_compiled_with_fast_mathematics(monkeypatch, flags):
    monkeypatch.setenv("XLA_FLAGS", flags)
    graph_def, fetches = lenet_graph.training_graph("none", 4), ["train"]
    made = emulate(graph_def, assign(graph_def, FORCE, fetches=fetches))
    assert not launches(made.graph_def)


EXACT = "--xla_cpu_enable_fast_math=false"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", EXACT),
        ("--xla_dump_to=x", f"--xla_dump_to=x {EXACT}"),
        ("--xla_cpu_enable_fast_math=true", "--xla_cpu_enable_fast_math=true"),
        (EXACT, EXACT),
        ("flags.txt", "flags.txt"),
    ],
)
def test_xlas_flags_are_kept(before, after):
    assert tf_compat.exact_xla_flags(before) == after
