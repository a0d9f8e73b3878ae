"""Small networks with the traits of public ones: a mode's plan runs, by both paths alike."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest

from lenet_exp import tf_compat
from lenet_exp.precision import assign, emulate
from tests.networks import images, sequences, updates
from tests.precision.chip import Run, bits, session_of
from tests.precision.emulation.test_emulate import variables_of
from tests.precision.small import ALLOW, CUBE, FORCE, MIX

NETWORKS = {
    build.__name__: build
    for build in (
        images.separable_convolutions, images.generative_adversarial, images.bytes_as_input,
        sequences.attention, sequences.recurrent_loop, sequences.sampled_embeddings,
        sequences.unknown_dimensions,
        updates.decaying_rates, updates.gather_and_scatter, updates.adam_by_hand,
    )
}  # fmt: skip
MODES, GENERATIONS = (MIX, ALLOW, FORCE, CUBE), ("today", "2021")
OVERFLOWS = {"no step": 0, "the first": 1, "the second": 2}
HUGE = np.float32(2.0**24)  # times a usual weight: beyond float16

ALL = tuple(itertools.product(MODES, GENERATIONS))
QUICK = ((FORCE, "today"), (MIX, "2021"))  # where each row takes sessions


def rows(quick=ALL):
    """Return network, mode and generation; those that are not `quick` are of the full suite."""
    for network, mode, generation in itertools.product(NETWORKS, MODES, GENERATIONS):
        marks = [] if (mode, generation) in quick else [pytest.mark.full]
        text = f"{network} {mode} {generation}"
        yield pytest.param(network, mode, generation, id=text, marks=marks)


@functools.lru_cache(maxsize=None)
def built(name):
    """Return a network's GraphDef, what a step fetches, its feeds and its variables' values."""
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        tf.set_random_seed(7)
        network = NETWORKS[name](tf)
        tf.global_variables_initializer()
        graph_def = graph.as_graph_def()
    with session_of(graph_def) as session:
        run, names = Run(session, None, {}), list(variables_of(graph_def))
        run("init")
        initial = dict(zip(names, map(np.array, run.get_all(names))))
    fetches = [network.loss.name, *(operation.name for operation in network.train)]
    return graph_def, fetches, network.feeds, initial


@functools.lru_cache(maxsize=None)
def planned(name, mode, generation):
    graph_def, fetches, _, _ = built(name)
    return assign(graph_def, mode, fetches=fetches, generation=generation)


@pytest.mark.parametrize(("network", "mode", "generation"), rows(QUICK))
def test_every_operator_is_decided(network, mode, generation):
    operators = planned(network, mode, generation).operators
    assert [(row.name, row.reason) for row in operators if row.rule == "unknown"] == []


@pytest.mark.parametrize(("network", "mode", "generation"), rows(QUICK))
def test_every_plan_imports(network, mode, generation):
    tf, fetches = tf_compat.load(), built(network)[1]
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(planned(network, mode, generation).graph_def, name="")
    assert [graph.as_graph_element(name).name for name in fetches] == fetches


@pytest.mark.parametrize(("network", "mode", "generation"), rows(QUICK[:1]))
def test_both_paths_give_the_same_bits(network, mode, generation):
    graph_def, fetches, feeds, initial = built(network)
    plan = planned(network, mode, generation)
    paths = []
    for reference in (False, True):
        made = emulate(graph_def, plan, fetches=fetches[:1], reference=reference)
        with session_of(made.graph_def, optimize=not reference) as session:
            run = Run(session, made, initial)
            paths.append(
                [steps(run, fetches, feeds, initial, overflow) for overflow in OVERFLOWS.values()]
            )
    for words, fast, exact in zip(OVERFLOWS, *paths):
        for number, (one, other) in enumerate(zip(fast, exact), 1):
            assert different(one, other) == [], (words, number)
        # Of the mode with least float16, large weights need not reach any.
        assert words == "no step" or mode in (ALLOW, CUBE) or exact[OVERFLOWS[words] - 1]["flag"]


def different(one, other):
    """Return the names under which two steps left not the same bits."""
    return [name for name in one if not same(one[name], other[name])]


def same(one, other):
    if one.shape != other.shape:
        return False
    both_nan = np.isnan(one) & np.isnan(other) if one.dtype.kind == "f" else False
    return bool(((bits(one) == bits(other)) | both_nan).all())


def steps(run, fetches, feeds, initial, overflow):
    """Return what three steps leave; the one that overflows is taken back, as a scaled one is."""
    random, found = np.random.RandomState(1), []
    run.begin(initial)
    for number in (1, 2, 3):
        before = {name: np.array(value) for name, value in zip(initial, run.get_all(initial))}
        if number == overflow:
            run.set(
                {name: value * HUGE if value.ndim > 1 else value for name, value in before.items()}
            )
        batch = feeds(random)
        left = [run(name, batch) for name in fetches]
        left = [*left[:1], *run.get_all(initial), run.flag]
        found.append(dict(zip((fetches[0], *initial, "flag"), map(np.array, left))))
        run.clear()
        if number == overflow:
            run.set(before)
    return found
