"""Whole emulated graphs: the fast path is bit-equal to the letter of the rules."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lenet_exp import tf_compat
from lenet_exp.precision import assign, emulate
from tests.precision import lenet_graph
from tests.precision.chip import Run, bits, session_of
from tests.precision.planning import test_random_graphs
from tests.precision.planning.test_random_graphs import common, recipes
from tests.precision.small import ALLOW, CUBE, FORCE, KEEP, MIX
from tests.stacks import full_on_tf1

MODES = (MIX, ALLOW, FORCE, KEEP, CUBE)
BATCH = 4
BOTH = pytest.mark.parametrize("reference", [False, True], ids=["fast", "reference"])


def variables_of(graph_def):
    """Return the shapes of a graph's variables by name."""
    kinds = ("VariableV2", "VarHandleOp")
    return {
        node.name: [dim.size for dim in node.attr["shape"].shape.dim]
        for node in graph_def.node
        if node.op in kinds and node.name != "float_status"
    }


def initial_values(graph_def, seed=0):
    """Return small random weights, zero slots, and beta powers."""
    random = np.random.RandomState(seed)
    found = {}
    for name, shape in variables_of(graph_def).items():
        slot = any(each in name for each in ("Adam", "Momentum", "step"))
        found[name] = np.zeros(shape) if slot else random.randn(*shape) * 0.1
        if name.endswith("_power"):
            found[name] = 0.9 if "beta1" in name else 0.999
    return found


def forward_then_update(run, fetches, feeds):
    """Run what is last first: in one run, an update may overtake a forward that isn't needed."""
    return [run(name, feeds) for name in fetches[::-1]]


def run_steps(graph_def, plan, fetches, initial, batches, reference, counted=True):
    """Return per step the values fetched, all variables and the flag."""
    asked = [name for name in fetches if ":" in name]
    made = emulate(graph_def, plan, fetches=asked, reference=reference, counted=counted)
    with session_of(made.graph_def, optimize=not reference) as session:
        run, found = Run(session, made, initial), []
        for feeds in batches:
            values = forward_then_update(run, fetches, feeds)
            found.append((values, run.get_all(initial), run.flag))
    return found


def same_values(one, other):
    if one is None or other is None:
        assert one is other
        return
    one, other = np.asarray(one), np.asarray(other)
    assert one.dtype == other.dtype
    assert one.shape == other.shape
    either_nan = one.dtype.kind == "f" and (np.isnan(one) & np.isnan(other))
    assert ((bits(one) == bits(other)) | either_nan).all(), (one, other)


def check_paths(graph_def, fetches, mode, generation, batches, initial=None):
    """Assert that both paths leave the same bits, the fast one under Grappler; return the flags."""
    initial = initial_values(graph_def) if initial is None else initial
    plan = assign(graph_def, mode, fetches=fetches, generation=generation)
    paths = [
        run_steps(graph_def, plan, fetches, initial, batches, reference)
        for reference in (False, True)
    ]
    for fast, exact in zip(*paths):
        for one, other in zip((*fast[0], *fast[1]), (*exact[0], *exact[1])):
            same_values(one, other)
        assert fast[2] is exact[2]
    return [flag for _, _, flag in paths[0]]


def lenet_batches(steps=3, size=1.0, seed=1):
    random = np.random.RandomState(seed)
    return [
        {
            "images:0": (random.rand(BATCH, 28, 28, 1) * size).astype(np.float32),
            "labels:0": random.randint(0, 10, BATCH),
        }
        for _ in range(steps)
    ]


def lenet(kind, scale):
    """Return a LeNet graph with a scale of this value, and its fetches."""
    if kind == "cond":
        graph_def, fetches = lenet_graph.conditional_graph(BATCH), ["update/Merge:0", "loss/Mean:0"]
    else:
        graph_def, fetches = lenet_graph.training_graph(kind, BATCH), ["train", "loss/Mean:0"]
    initial = initial_values(graph_def)
    if kind == "constant":
        (node,) = (each for each in graph_def.node if each.name == "scale")
        value = tf_compat.load().make_tensor_proto(np.float32(scale))
        node.attr["value"].tensor.CopyFrom(value)
    elif kind != "none":
        initial["scale"] = scale
    return graph_def, fetches, initial


LENET = [("none", 1), *itertools.product(("constant", "variable", "cond"), (2.0**10, 2.0**40))]
QUICK = {
    ("none", 1, FORCE, "2021"), ("constant", 2.0**40, MIX, "today"),
    ("cond", 2.0**10, ALLOW, "today"), ("cond", 2.0**40, CUBE, "today"),
}  # fmt: skip


def lenet_rows():
    for (kind, scale), mode, generation in itertools.product(LENET, MODES, ("today", "2021")):
        row = (kind, scale, mode, generation)
        text = f"{kind} 2^{int(np.log2(scale))} {mode} {generation}"
        yield pytest.param(*row, id=text, marks=[] if row in QUICK else [pytest.mark.full])


@pytest.mark.parametrize(("kind", "scale", "mode", "generation"), lenet_rows())
def test_lenets_fast_path_is_bit_equal(kind, scale, mode, generation):
    graph_def, fetches, initial = lenet(kind, scale)
    batches = [*lenet_batches(2), *lenet_batches(1, 1e6)]
    check_paths(graph_def, fetches, mode, generation, batches, initial)


@full_on_tf1
def test_inner_tensors_asked_for_are_bit_equal_too():
    graph_def, fetches, initial = lenet("cond", 2.0**40)
    inner = ["conv1/Sigmoid:0", "fc3/MatMul:0", "unscale/fc1/kernel:0", "xent:0", "inv_scale:0"]
    names = {node.name for node in graph_def.node}
    inner = [name for name in inner if name[:-2] in names]
    assert len(inner) > 3
    flags = check_paths(graph_def, [*fetches, *inner], MIX, "today", lenet_batches(2), initial)
    assert flags


def extreme_feed(random):
    values = random.randn(2, 4, 4, 3) * 10.0 ** random.uniform(-12, 30, (2, 4, 4, 3))
    values = values * (random.rand(2, 4, 4, 3) > 0.2)
    kind = random.randint(4)
    if kind == 0:
        values[0, 0, 0, 0] = (np.nan, np.inf, -np.inf)[random.randint(3)]
    elif kind == 1:
        values = random.randn(2, 4, 4, 3)
    elif kind == 2:
        values = random.randn(2, 4, 4, 3) * 2.0**-22
    return {"x:0": values.astype(np.float32)}


def check_random_graph(recipe, seed, mode, generation):
    graph_def = test_random_graphs.training_graph(recipe)
    random = np.random.RandomState(seed)
    batches = [extreme_feed(random) for _ in range(3)]
    with np.errstate(all="ignore"):
        check_paths(graph_def, ["train", "loss:0"], mode, generation, batches)


cases = st.tuples(
    recipes, st.integers(0, 2**31), st.sampled_from(MODES), st.sampled_from(("today", "2021"))
)


@settings(common, max_examples=4)
@given(cases)
def test_random_graphs_fast_path_is_bit_equal(case):
    check_random_graph(*case)


@pytest.mark.full
@settings(common, max_examples=150)
@given(cases)
def test_random_graphs_fast_path_is_bit_equal_at_length(case):
    check_random_graph(*case)


def test_products_of_a_small_and_two_large_factors_are_made_in_turn():
    """TensorFlow's optimizer would make (loss gradient * gain) * other from the other end."""
    recipe = ["pool", "sigmoid", "identity", "bias", "log", "conv", "tanh", "bias", "square"]
    check_random_graph([(name, 0) for name in recipe], 9003, MIX, "today")


def run_original(graph_def, fetches, initial, batches):
    found = []
    tf = tf_compat.load()
    graph = tf.GraphDef()
    graph.CopyFrom(graph_def)
    with session_of(graph) as session:
        run = Run(session, None, initial)
        for feeds in batches:
            values = forward_then_update(run, fetches, feeds)
            found.append((values, run.get_all(initial)))
    return found


@pytest.mark.parametrize(
    ("kind", "reference"),
    [
        ("none", False),
        ("variable", True),
        pytest.param("none", True, marks=pytest.mark.full),
        pytest.param("variable", False, marks=pytest.mark.full),
    ],
)
def test_a_mode_that_changes_nothing_gives_the_same_bits(kind, reference):
    graph_def, fetches, initial = lenet(kind, 1024.0)
    batches = lenet_batches(3, 1e3)
    plan = assign(graph_def, KEEP, fetches=fetches)
    made = run_steps(graph_def, plan, fetches, initial, batches, reference)
    for got, expected in zip(made, run_original(graph_def, fetches, initial, batches)):
        for one, other in zip((*got[0], *got[1]), (*expected[0], *expected[1])):
            same_values(one, other)
        assert not got[2]


@settings(common, max_examples=3)
@given(recipes, st.integers(0, 2**31))
def test_random_graphs_that_keep_their_types_give_the_same_bits(recipe, seed):
    recipe = [step for step in recipe if step[0] != "there and back"]  # a Cast pair that goes
    graph_def = test_random_graphs.training_graph(recipe)
    fetches, initial = ["train", "loss:0"], initial_values(graph_def)
    batches = [extreme_feed(np.random.RandomState(seed))]
    plan = assign(graph_def, KEEP, fetches=fetches)
    made = run_steps(graph_def, plan, fetches, initial, batches, False)
    for got, expected in zip(made, run_original(graph_def, fetches, initial, batches)):
        for one, other in zip((*got[0], *got[1]), (*expected[0], *expected[1])):
            same_values(one, other)


SMALL = [("conv", 0), ("bias", 0), ("sigmoid", 0), ("pool", 0), ("square", 0)]


def test_without_a_count_the_bits_are_the_same():
    graph_def, fetches = test_random_graphs.training_graph(SMALL), ["train", "loss:0"]
    initial, random = initial_values(graph_def), np.random.RandomState(1)
    batches = [{"x:0": random.randn(2, 4, 4, 3) * size} for size in (1, 1e6)]
    plan = assign(graph_def, FORCE, fetches=fetches)
    made, quiet = (
        run_steps(graph_def, plan, fetches, initial, batches, True, counted)
        for counted in (True, False)
    )
    assert made[-1][2]
    for got, expected in zip(quiet, made):
        for one, other in zip((*got[0], *got[1]), (*expected[0], *expected[1])):
            same_values(one, other)
        assert not got[2]


def test_a_flag_that_the_graph_reads_is_counted_all_the_same():
    graph_def, fetches, _ = lenet("cond", 2.0**20)
    plan = assign(graph_def, FORCE, fetches=fetches)
    made, quiet = (
        emulate(graph_def, plan, reference=True, counted=counted) for counted in (True, False)
    )
    assert quiet == made
