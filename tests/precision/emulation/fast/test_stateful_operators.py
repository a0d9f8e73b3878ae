"""What happens once a step does so too where the rest is computed twice, with the right values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lenet_exp import tf_compat
from lenet_exp.precision import assign, emulate
from tests.precision.chip import Run, session_of
from tests.precision.emulation.test_emulate import initial_values, same_values
from tests.precision.planning.test_random_graphs import common
from tests.precision.small import ALLOW, FORCE, KEEP, MIX, floats
from tests.stacks import FULL_ON_TF1

SHAPE = (4, 8)
# Of the inputs: overflows in the first step, in the second and later, in none.
STEPS = {"first": [1e6, 1, 1], "second": [1, 1e6, 1, 1e6], "none": [1, 1]}


def inputs(scales):
    random = np.random.RandomState(3)
    return [{"x:0": np.float32(random.randn(*SHAPE) * scale)} for scale in scales]


def built(build, shape=SHAPE):
    """Return the GraphDef of build(tf, hidden, x) and the names of the tensors it returns."""
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        tf.set_random_seed(7)
        x = floats(tf, "x", shape)
        hidden = tf.matmul(x, tf.get_variable("before", [8, 8]))
        made = build(tf, hidden, x)
        made = made if isinstance(made, (list, tuple)) else [made]
        return graph.as_graph_def(), [each.name for each in made]


def steps(graph_def, fetches, mode, reference, scales, setup=()):
    """Return the values of each step, the variables after it and the flag."""
    plan, asked = assign(graph_def, mode, fetches=fetches), [f for f in fetches if ":" in f]
    made = emulate(graph_def, plan, fetches=asked, reference=reference)
    initial, found = initial_values(graph_def), []
    with session_of(made.graph_def) as session:
        run = Run(session, made, initial)
        for name in setup:
            run(name)
        for feeds in inputs(scales):
            values = run(fetches, feeds)
            found.append(([v for v in values if v is not None], run.get_all(initial), run.flag))
            run.clear()
    return found


def check_alike(build, mode, scales, shape=SHAPE, setup=()):
    """Assert that both paths give the same bits and flags; return the fast path's steps."""
    graph_def, fetches = built(build, shape)
    fast, exact = (
        steps(graph_def, fetches, mode, reference, scales, setup) for reference in (False, True)
    )
    for one, other in zip(fast, exact):
        for got, expected in zip((*one[0], *one[1]), (*other[0], *other[1])):
            same_values(got, expected)
        assert one[2] is other[2]
    return fast


def after(tf, value):
    """Return a layer behind a tensor of SHAPE: it is in the region, too."""
    value = tf.ensure_shape(value, SHAPE) if value.shape.rank is None else value
    return tf.sigmoid(tf.matmul(value, tf.get_variable("after", [8, 8])))


def dropout(tf, hidden, x):
    return after(tf, tf.nn.dropout(hidden, rate=0.5))


def dropout_at_a_given_rate(tf, hidden, x):
    rate = tf.sigmoid(tf.reduce_mean(hidden))
    return after(tf, tf.nn.dropout(hidden, rate=rate))


def noise_of_a_computed_shape(tf, hidden, x):
    rows = tf.minimum(tf.cast(tf.reduce_max(tf.abs(hidden)), tf.int32) + 1, 3)
    return after(tf, hidden), tf.random_normal([rows, 2])


def two_layers_of_noise(tf, hidden, x):
    noise = tf.random_normal(tf.shape(hidden), stddev=0.1)
    second = after(tf, hidden + noise)
    return second * tf.random_uniform(tf.shape(second)), noise


def truncated(tf, hidden, x):
    return after(tf, hidden * tf.truncated_normal(SHAPE))


def of_given_parameters(tf, hidden, x):
    mean = tf.sigmoid(tf.reduce_mean(hidden, axis=1))
    drawn = tf.raw_ops.ParameterizedTruncatedNormal(
        shape=[4, 8], means=mean, stdevs=tf.ones([4]), minvals=mean - 1.0, maxvals=mean + 1.0,
        seed=3, seed2=4,
    )  # fmt: skip
    return after(tf, drawn), drawn


def multinomial(tf, hidden, x):
    drawn = tf.multinomial(hidden, 8)
    return after(tf, tf.cast(drawn, tf.float32)), drawn


def gamma(tf, hidden, x):
    drawn = tf.random_gamma([], tf.sigmoid(hidden) + 0.5)
    return after(tf, drawn), drawn


def poisson(tf, hidden, x):
    drawn = tf.random_poisson(tf.sigmoid(hidden) * 9.0, [])
    return after(tf, drawn), drawn


def shuffled(tf, hidden, x):
    return after(tf, tf.random_shuffle(hidden))


def whole_numbers(tf, hidden, x):
    places = tf.random_uniform([4], 0, 4, tf.int32)
    return after(tf, tf.gather(hidden, places)), places


def stateless(tf, hidden, x):
    seed = tf.cast(tf.stack([tf.reduce_max(hidden), 3.0]), tf.int32)
    return after(tf, hidden * tf.random.stateless_uniform(SHAPE, seed))


def pooled_at_random(tf, hidden, x):
    image = tf.reshape(hidden, [1, 4, 8, 1])
    pooled, *_ = tf.raw_ops.FractionalMaxPool(value=image, pooling_ratio=[1.0, 1.0, 1.4, 1.0])
    return tf.sigmoid(pooled * pooled) - tf.sigmoid(pooled * pooled)


def sampled(tf, hidden, x):
    weights, biases = tf.get_variable("classes", [20, 8]), tf.get_variable("biases", [20])
    labels = tf.cast(tf.argmax(x, axis=1), tf.int64)[:, None]
    return tf.nn.nce_loss(weights, biases, labels, hidden, 5, 20, 1)


def printed(tf, hidden, x):
    return after(tf, tf.Print(hidden, [], "hidden"))


def asserted(tf, hidden, x):
    finite = tf.Assert(tf.reduce_all(tf.is_finite(hidden)), [hidden])
    with tf.control_dependencies([finite]):
        return after(tf, tf.identity(hidden) * hidden)


def checked(tf, hidden, x):
    return after(tf, tf.check_numerics(hidden, "not finite"))


def dequeued(tf, hidden, x):
    queue = tf.FIFOQueue(9, [tf.float32], [SHAPE])
    queue.enqueue_many([np.arange(9 * 32, dtype=np.float32).reshape(9, *SHAPE)], name="setup")
    drawn = queue.dequeue()
    return after(tf, hidden + drawn), drawn


def enqueued(tf, hidden, x):
    queue = tf.FIFOQueue(9, [tf.float32], [SHAPE])
    with tf.control_dependencies([queue.enqueue(hidden)]):
        given = queue.dequeue()
    return after(tf, given), given


def staged(tf, hidden, x):
    stage = tf.raw_ops.Stage(values=[hidden], capacity=0, memory_limit=0, shared_name="s")
    with tf.control_dependencies([stage]):
        (given,) = tf.raw_ops.Unstage(
            dtypes=[tf.float32], capacity=0, memory_limit=0, shared_name="s"
        )
    return after(tf, given), given


def iterated(tf, hidden, x):
    iterator = tf.data.make_initializable_iterator(tf.data.Dataset.range(1, 50))
    tf.identity_n([tf.constant(0)], name="unused")
    tf.group(iterator.initializer, name="setup")
    drawn = iterator.get_next()
    return after(tf, hidden * tf.cast(drawn, tf.float32)), drawn


def looked_up(tf, hidden, x):
    keys = tf.constant(np.arange(8), tf.int64)
    table = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(keys, tf.constant(np.arange(8), tf.float32)), -1.0
    )
    tf.group(tf.tables_initializer(), name="setup")
    found = table.lookup(tf.argmax(hidden, axis=1))
    return after(tf, hidden * found[:, None]), found


def an_array(tf, hidden, x):
    array = tf.TensorArray(tf.float32, 3, clear_after_read=False)
    for place in range(3):
        array = array.write(place, hidden * float(place))
    return after(tf, array.read(1)), tf.reduce_sum(array.stack(), axis=0)


def a_stack(tf, hidden, x):
    stack = tf.raw_ops.StackV2(max_size=9, elem_type=tf.float32)
    pushed = tf.raw_ops.StackPushV2(handle=stack, elem=hidden)
    with tf.control_dependencies([pushed]):
        popped = tf.raw_ops.StackPopV2(handle=stack, elem_type=tf.float32)
    return after(tf, tf.reshape(popped, SHAPE)), popped


def accumulated(tf, hidden, x):
    accumulator = tf.ConditionalAccumulator(tf.float32, SHAPE)
    with tf.control_dependencies([accumulator.apply_grad(hidden, 10**6)]):
        mean = accumulator.take_grad(1)
    return after(tf, mean), mean


def counted(tf, hidden, x):
    step = tf.get_variable("step", [], initializer=tf.zeros_initializer())
    with tf.control_dependencies([tf.assign_add(step, 1.0)]):
        return after(tf, hidden) * tf.identity(step._ref())


def gathered(tf, hidden, x):
    table = tf.get_variable("table", [20, 8], use_resource=True)
    rows = tf.nn.embedding_lookup(table, tf.argmax(x, axis=1))
    return after(tf, hidden * rows), tf.concat([rows, rows], 0)


def gathered_by_places(tf, hidden, x):
    table = tf.get_variable("table", [20, 8], use_resource=True)
    kinds = {"dtype": tf.float32, "indices": tf.argmax(x, axis=1)[:, None]}
    rows = tf.raw_ops.ResourceGatherNd(resource=table.handle, **kinds)
    return after(tf, hidden * rows), tf.concat([rows, rows], 0)


def a_generator(tf, hidden, x):
    state = tf.raw_ops.VarHandleOp(dtype=tf.int64, shape=[3], shared_name="state")
    start = np.array([1, 2, 3], np.int64)
    write = tf.raw_ops.AssignVariableOp(resource=state, value=start)
    tf.group(write if write is not None else [], name="setup")
    drawn = tf.raw_ops.StatefulStandardNormalV2(
        resource=state, algorithm=np.int64(1), shape=np.array(SHAPE, np.int64), dtype=tf.float32
    )
    return after(tf, hidden * drawn), drawn


def a_file(tf, hidden, x):
    size = tf.strings.length(tf.read_file(__file__))
    return after(tf, hidden * tf.cast(size, tf.float32))


def distinct(tf, hidden, x):
    values, places = tf.unique(tf.reshape(hidden, [-1]))
    return after(tf, hidden), tf.reduce_sum(values), places


def summarised(tf, hidden, x):
    tf.summary.histogram("hidden", hidden)
    return after(tf, hidden), tf.summary.merge_all()


# Each takes a tensor of SHAPE and gives one, first.
KINDS = [
    dropout, dropout_at_a_given_rate, noise_of_a_computed_shape, two_layers_of_noise, truncated,
    of_given_parameters, multinomial, gamma, poisson, shuffled, whole_numbers, stateless,
    pooled_at_random, sampled, printed, asserted, checked, dequeued, enqueued, staged, iterated,
    looked_up, an_array, a_stack, accumulated, counted, gathered, gathered_by_places,
    a_generator, a_file, distinct,
]  # fmt: skip
# Without those that have to be set up, or give another shape: these can't follow one another.
LINKS = [
    kind for kind in KINDS
    if kind not in (pooled_at_random, sampled, dequeued, staged, iterated, looked_up, a_generator)
]  # fmt: skip


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(kind, id=kind.__name__, marks=[] if kind in LINKS else [pytest.mark.always])
        for kind in KINDS
    ],
)
def test_what_happens_once_is_shared_by_both_paths(build):
    names = build.__code__.co_consts
    setup = ["setup"] if "setup" in names else []
    found = check_alike(build, FORCE, STEPS["second"], setup=setup)
    assert [flag for *_, flag in found] == [scale > 1 for scale in STEPS["second"]]


@pytest.mark.parametrize("scales", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize("mode", [MIX, ALLOW, FORCE, KEEP])
@pytest.mark.parametrize(
    "shape",
    [
        pytest.param(SHAPE, id="static"),
        pytest.param((None, 8), id="of any batch", marks=FULL_ON_TF1),
    ],
)
def test_a_random_number_is_drawn_once_a_step(shape, mode, scales):
    def build(tf, hidden, x):
        dropped = after(tf, tf.nn.dropout(hidden, rate=0.5))
        loss = tf.reduce_mean(tf.square(tf.nn.dropout(dropped, rate=0.5)), name="loss")
        train = tf.train.AdamOptimizer(0.1, epsilon=1e-4).minimize(loss)
        return loss, train, tf.nn.dropout(x, rate=0.5)

    found = check_alike(build, mode, scales, shape)
    assert found[0][2] is (mode != KEEP and scales[0] > 1)


@pytest.mark.parametrize("scales", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize("where", ["in front", "inside", "behind", "large"])
@pytest.mark.parametrize("reference", [False, True], ids=["fast", "reference"])
def test_python_is_called_once_a_step(reference, where, scales):
    calls = []

    def called(values):
        calls.append(np.array(values))
        return np.float32(values * (1e6 if where == "large" else 2))

    def build(tf, hidden, x):
        given = x if where in ("in front", "large") else hidden
        made = tf.ensure_shape(tf.py_func(called, [given], tf.float32), SHAPE)
        if where == "behind":
            return after(tf, hidden), made
        return after(tf, hidden * made), made

    graph_def, fetches = built(build)
    found = steps(graph_def, fetches, FORCE, reference, scales)
    assert len(calls) == len(scales)
    largest = 65504 if where in ("inside", "behind") else np.inf
    assert all(np.abs(each).max() <= largest for each in calls)  # what the chip has, not infinity
    assert all(np.isfinite(each[0][1]).all() for each in found)
    assert found[-1][2] is (scales[-1] > 1 or where == "large")


@settings(common, max_examples=6)
@given(
    st.lists(st.sampled_from(LINKS), min_size=2, max_size=5),
    st.sampled_from((MIX, ALLOW, FORCE)),
    st.sampled_from(sorted(STEPS)),
)
def test_any_chain_of_them_gives_the_same_bits(kinds, mode, first):
    """So every such graph can be imported and run."""

    def build(tf, hidden, x):
        seen = []
        for place, kind in enumerate(kinds):
            with tf.variable_scope(f"link{place}"):
                made = kind(tf, hidden, x)
            made = list(made) if isinstance(made, (list, tuple)) else [made]
            hidden, seen = made[0], [*seen, *made]
        return seen

    check_alike(build, mode, STEPS[first])
