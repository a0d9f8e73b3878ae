"""The operator that makes a step wrong comes first, whatever the network around it."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from lenet_exp.errors import GraphError
from lenet_exp.precision import assign
from lenet_exp.precision.diagnosis import error_table
from lenet_exp.precision.diagnosis.errors import diagnose
from tests.networks.test_modes_of_networks import built, planned
from tests.precision.diagnosis.planted import FAULTS, network
from tests.precision.diagnosis.small_steps import linear, step_of
from tests.precision.small import FORCE, MIX

NETWORKS, ENOUGH = 20, 19
LARGEST_ROUNDING = 2.0**-10  # of an operator that rounds its inputs and its result


def first_is_planted(fault, seed):
    graph_def, fetches, values, feeds = network(fault, seed)
    found = diagnose(assign(graph_def, FORCE, fetches=fetches), values, feeds)
    return "planted" in found.by_damage[0].operator.name


@pytest.mark.parametrize(
    "fault", [*FAULTS[:3], *(pytest.param(each, marks=pytest.mark.full) for each in FAULTS[3:])]
)
def test_a_planted_fault_comes_first(fault):
    assert first_is_planted(fault, 1)


@pytest.mark.full
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_comes_first_in_nearly_all_networks(fault):
    found = [first_is_planted(fault, seed) for seed in range(NETWORKS)]
    assert sum(found) >= ENOUGH


# What float16 does to networks that suit it: nothing more than to round.
@pytest.mark.parametrize(
    "name",
    [
        "separable_convolutions",
        pytest.param("sampled_embeddings", marks=pytest.mark.full),
        pytest.param("recurrent_loop", marks=pytest.mark.full),
    ],
)
def test_a_network_that_suits_float16_is_only_rounded(name):
    found = diagnosed(name, MIX)
    assert found.operators
    assert found.gradients
    assert found.gradient.cosine > 0.999
    forward = [each for each in found.operators if each.section == "forward"]
    assert max(each.damage for each in forward) < LARGEST_ROUNDING


def diagnosed(name, mode):
    _, _, feeds, initial = built(name)
    return diagnose(planned(name, mode, "today"), initial, feeds(np.random.RandomState(1)))


def test_what_is_in_a_loop_is_named_and_not_measured():
    found = diagnosed("recurrent_loop", FORCE)
    assert any(name.startswith("while/") for name in found.inside)
    assert not {each.operator.name for each in found.operators} & {*found.inside}


def test_random_numbers_are_the_same_in_all_copies():
    found = diagnosed("attention", MIX)  # drops out at random
    forward = [each for each in found.operators if each.section == "forward"]
    assert max(each.total.distance for each in forward) < 10 * LARGEST_ROUNDING


def test_a_step_that_float32_can_not_make_either_is_refused():
    graph_def, fetches, values, feeds = network(FAULTS[0], 1)
    wrong = {k: np.full_like(v, np.inf) if v.dtype.kind == "f" else v for k, v in feeds.items()}
    with pytest.raises(GraphError, match="no finite number in float32"):
        diagnose(assign(graph_def, FORCE, fetches=fetches), values, wrong)


def test_a_type_that_stays_makes_no_error():
    graph_def, fetches, values, feeds = network(FAULTS[0], 1)
    found = diagnose(assign(graph_def, "must_keep_origin_dtype", fetches=fetches), values, feeds)
    refused = {each.operator.name for each in found.operators if each.operator.casts}
    exact = [each for each in found.operators if each.operator.name not in refused]
    assert {each.total.distance for each in exact} == {0.0}


@pytest.mark.parametrize(("flush", "lost"), [(False, 0), (True, 1)])
def test_subnormal_numbers_are_flushed_if_asked(flush, lost):
    def build(tf):
        _, loss = linear(tf)
        return [tf.train.GradientDescentOptimizer(0.5).minimize(loss)]

    found = diagnose(*step_of(build, {"weight": 1.0}, FORCE, x=[2.0**-16]), flush=flush)
    assert found.flush == flush
    assert [error.flushed for _, error in found.gradients] == [lost]


def test_the_table_fits_and_csv_and_json_have_every_operator():
    graph_def, fetches, values, feeds = network(FAULTS[1], 1)
    found = diagnose(assign(graph_def, FORCE, fetches=fetches), values, feeds)
    for width in (60, 100):
        lines = error_table.table(found, width, 5).splitlines()
        assert max(map(len, lines)) <= max(width, 76)
    first = next(line for line in lines if "arises" in line)
    assert "planted/SquaredDifference" in first
    rows = list(csv.DictReader(error_table.csv_of(found).splitlines()))
    assert [row["name"] for row in rows] == [each.operator.name for each in found.by_damage]
    read = json.loads(error_table.json_of(found))
    assert len(read["operators"]) == len(rows)
    assert read["gradients"].keys() == {name for name, _ in found.gradients}
