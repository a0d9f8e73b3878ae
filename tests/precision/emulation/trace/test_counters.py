"""Counters in an emulated graph: they count as numpy does, and change no bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lenet_exp import tf_compat
from lenet_exp.precision import assign, emulate
from lenet_exp.precision.emulation.trace import tally
from lenet_exp.precision.emulation.trace.counters import COLUMNS
from tests.precision.chip import Run, overflows, saturate, session_of
from tests.precision.emulation.exact.test_rounding import INPUTS, transposed
from tests.precision.emulation.test_emulate import (
    MODES,
    extreme_feed,
    forward_then_update,
    initial_values,
    lenet,
    lenet_batches,
    same_values,
    variables_of,
)
from tests.precision.planning import test_random_graphs
from tests.precision.planning.test_random_graphs import common, recipes
from tests.precision.small import ALLOW, FORCE, KEEP, MIX, floats, graph_of, halves


def run_steps(graph_def, fetches, mode, initial, batches, trace, flush=False):
    """Return the values of each step with all variables and the flag, and what was counted."""
    plan = assign(graph_def, mode, fetches=fetches)
    return run_plan(graph_def, plan, fetches, initial, batches, trace, flush)


def run_plan(graph_def, plan, fetches, initial, batches, trace, flush=False):
    """Return the same under a plan."""
    asked = [name for name in fetches if ":" in name]
    made = emulate(graph_def, plan, fetches=asked, trace=trace, flush_subnormals=flush)
    found, counted = [], None
    with session_of(made.graph_def) as session:
        run = Run(session, made, initial)
        if trace:
            session.run(made.traces.reset)
            counted = tally.empty(made.traces.sites)
        for step, feeds in enumerate(batches, 1):
            values = forward_then_update(run, fetches, feeds)
            found.append((values, run.get_all(initial), run.flag))
            if trace:
                read = session.run([made.traces.counts, made.traces.largest])
                session.run(made.traces.reset)
                counted = tally.added(counted, made.traces.sites, *read, step)
    return found, made.traces, counted


def check_same_bits(graph_def, fetches, mode, initial, batches):
    plan = assign(graph_def, mode, fetches=fetches)
    (plain, nothing, _), (traced, traces, counted) = (
        run_plan(graph_def, plan, fetches, initial, batches, trace) for trace in (False, True)
    )
    assert nothing is None
    for one, other in zip(plain, traced):
        for left, right in zip((*one[0], *one[1]), (*other[0], *other[1])):
            same_values(left, right)
        assert one[2] is other[2]
    return traces, counted


LENET = [
    pytest.param("none", 1, FORCE, id="none force", marks=pytest.mark.full),
    pytest.param("constant", 2.0**25, MIX, id="constant mix", marks=pytest.mark.full),
    pytest.param("cond", 2.0**40, FORCE, id="cond force", marks=pytest.mark.full),
    pytest.param("cond", 2.0**10, ALLOW, id="cond allow", marks=pytest.mark.full),
    pytest.param("cond", 2.0**10, KEEP, id="cond keep"),
]


@pytest.mark.parametrize(("kind", "scale", "mode"), LENET)
def test_a_traced_lenet_gives_the_bits_of_an_untraced_one(kind, scale, mode):
    graph_def, fetches, initial = lenet(kind, scale)
    batches = [*lenet_batches(2), *lenet_batches(1, 1e6)]
    traces, counted = check_same_bits(graph_def, fetches, mode, initial, batches)
    variables = [name for name in initial if name.endswith(("kernel", "bias"))]
    assert len(variables) == 10
    of = {gradient.site.gradient_of for gradient in tally.gradients(counted, traces.sites)}
    assert of == set(variables)
    narrow = {site.dtype for site in traces.sites if site.gradient_of}
    assert narrow == {FORCE: {"float16"}, KEEP: {"float32"}}.get(mode, narrow)


cases = st.tuples(recipes, st.integers(0, 2**31), st.sampled_from(MODES))


@settings(common, max_examples=3)
@given(cases)
def test_traced_random_graphs_give_the_same_bits(case):
    recipe, seed, mode = case
    graph_def = test_random_graphs.training_graph(recipe)
    batches = [extreme_feed(np.random.RandomState(seed)) for _ in range(2)]
    initial = initial_values(graph_def)
    with np.errstate(all="ignore"):
        check_same_bits(graph_def, ["train", "loss:0"], mode, initial, batches)


def counts_of(values, flush):
    """Return what numpy counts in float32 `values`, under the names of COLUMNS."""
    number = values[~np.isnan(values)]
    # TensorFlow's threads take float32's own subnormals as 0.
    number = np.where(np.abs(number) < np.finfo(np.float32).tiny, 0, number)
    held = saturate(number, flush)
    return {
        "values": number.size,
        "nonzero": (number != 0).sum(),
        "kept": (held != 0).sum(),
        "normal": (np.abs(held) >= np.float16(2.0**-14)).sum(),
        "overflows": overflows(number).sum(),
        "infinite": np.isinf(number).sum(),
        "nan": np.isnan(values).sum(),
    }


@pytest.mark.parametrize("flush", [False, True], ids=["kept", "flushed"])
@pytest.mark.parametrize("inputs", INPUTS.values(), ids=INPUTS)
def test_a_cast_is_counted_as_numpy_counts(inputs, flush):
    graph_def, fetches = graph_of(transposed)
    values = inputs()
    _, traces, counted = run_steps(
        graph_def, fetches, FORCE, {}, [{"x:0": values[:, None]}], trace=True, flush=flush
    )
    site = traces.sites[0]
    assert (site.operator, site.ge_type, site.dtype) == ("x", "Cast", "float16")
    assert dict(zip(COLUMNS, counted.counts[0])) == counts_of(values, flush)
    assert counted.largest[0] == np.abs(values[~np.isnan(values)]).max()


def chain(tf):
    """x -> x W -> its square: which of them overflows first depends on what is fed."""
    weights = tf.constant(
        np.full((8, 8), 0.125, np.float32) * np.arange(1, 9, dtype=np.float32), name="weights"
    )
    return tf.square(tf.matmul(floats(tf, "x"), weights, name="product"), name="square")


# id -> what the four steps are fed, and (operator, first step, steps) of the rows
OVERFLOWS = {
    "none": ([1, 1, 1, 1], []),
    "the last": ([1, 100, 1, 100], [("square", 2, 2)]),
    "one feeds the next": ([1, 1, 6e4, 1], [("product", 3, 1), ("square", 3, 1)]),
    "the later operator in an earlier step": (
        [100, 6e4, 100, 1e6], [("square", 1, 4), ("product", 2, 2), ("x", 4, 1)]
    ),
    "no number": ([1, np.nan, 1, 1], [("x", 2, 1)]),
}  # fmt: skip


@pytest.mark.parametrize(("fed", "expected"), OVERFLOWS.values(), ids=OVERFLOWS)
def test_the_first_operator_is_that_of_the_first_step(fed, expected):
    graph_def, fetches = graph_of(chain)
    batches = [{"x:0": np.full((4, 8), value, np.float32)} for value in fed]
    _, traces, counted = run_steps(graph_def, fetches, FORCE, {}, batches, trace=True)
    rows = tally.rows(counted, traces.sites)
    assert [(row.site.operator, row.first, row.calls) for row in rows] == expected
    if expected:
        assert rows[0].values > 0


def small_step(tf):
    """loss = sum(x w) * 1, so that the gradient of w is the sum of x over rows."""
    weights = tf.get_variable("weights", [8])
    loss = tf.reduce_sum(floats(tf, "x") * weights)
    return tf.train.GradientDescentOptimizer(1e-8).minimize(loss, name="train")


@pytest.mark.parametrize("mode", [FORCE, KEEP])
def test_a_gradients_shares_are_those_of_its_values(mode):
    graph_def, _ = graph_of(small_step)
    x = np.zeros((4, 8), np.float32)
    x[0] = [0, 2.0**-26, 2.0**-25, 2.0**-24, 2.0**-15, 2.0**-14, 1, -(2.0**-20)]
    _, traces, counted = run_steps(
        graph_def, ["train"], mode, {"weights": np.ones(8)}, [{"x:0": x}] * 2, trace=True
    )
    (found,) = tally.gradients(counted, traces.sites)
    assert found.site.gradient_of == "weights"
    if mode == KEEP:  # what float16 would hold
        assert (found.zero, found.lost, found.subnormal, found.largest) == (3 / 8, 2 / 8, 3 / 8, 1)
        assert traces.constants == ()
    else:  # the cast of x has lost them before
        assert (found.zero, found.lost, found.subnormal, found.largest) == (3 / 8, 0, 3 / 8, 1)
        (constant,) = traces.constants
        assert (constant.value, constant.becomes) == (pytest.approx(1e-8), 0)


def test_an_update_that_no_rule_lists_is_counted_around_each_variable():
    def build(tf):
        weights = tf.get_variable("weights", [8])
        loss = tf.reduce_sum(floats(tf, "x") * weights)
        return tf.train.FtrlOptimizer(0.01).minimize(loss, name="train")

    graph_def, _ = graph_of(build)
    initial = {name: np.ones(shape) for name, shape in variables_of(graph_def).items()}
    batches = [{"x:0": np.ones((4, 8), np.float32)}]
    traces, counted = check_same_bits(graph_def, ["train"], FORCE, initial, batches)
    parts = [site.part for site in traces.sites if site.ge_type.startswith("ApplyFtrl")]
    assert parts == ["before"] * 3 + ["after"] * 3
    assert not tally.rows(counted, traces.sites)


def test_two_graphs_of_one_session_have_counters_of_their_own():
    graph_def, fetches = graph_of(chain)
    plan = assign(graph_def, FORCE, fetches=fetches)
    made = [emulate(graph_def, plan, trace=True, trace_scope=name) for name in ("one", "other")]
    names = [{each.traces.counts, each.traces.largest, each.traces.reset} for each in made]
    assert not names[0] & names[1]
    assert made[0].traces.sites == made[1].traces.sites


@pytest.mark.parametrize("labels", ["int32", "int64"])
def test_a_one_hot_that_a_fusion_made_is_no_constant(labels):
    def build(tf):
        classes = tf.placeholder(labels, [4], "labels")
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=classes, logits=halves(tf))

    graph_def, names = graph_of(build)
    plan = assign(graph_def, MIX, fetches=names)
    inner = [edge for edge in plan.casts if edge.producer.node.endswith("/OneHotD")]
    assert [(edge.target, edge.on_host) for edge in inner] == [("float16", False)]
    assert emulate(graph_def, plan, trace=True).traces.constants == ()


def test_an_operator_whose_name_ends_as_a_cast_s_is_no_cast():
    def build(tf):
        return tf.square(tf.matmul(floats(tf, "x"), tf.ones([8, 8])), name="net/float16")

    graph_def, fetches = graph_of(build)
    made = emulate(graph_def, assign(graph_def, FORCE, fetches=fetches), trace=True)
    sites = {site.operator: site.ge_type for site in made.traces.sites}
    assert sites == {"x": "Cast", "MatMul": "MatMulV2", "net/float16": "Square"}


def test_many_values_are_counted_as_whole_numbers():
    """In float32 2^24 and 1 are 2^24; a tensor that has that many is too large for a test."""
    graph_def, fetches = graph_of(transposed)
    made = emulate(graph_def, assign(graph_def, FORCE, fetches=fetches), trace=True).graph_def
    kinds = [n.attr["T"].type for n in made.node if n.op == "Sum" and n.name.endswith("/sums")]
    assert kinds
    assert set(kinds) == {tf_compat.load().int32.as_datatype_enum}
