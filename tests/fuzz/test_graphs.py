"""Graph files that are hostile or damaged: a plan, or a refusal in words, in bounded memory."""

from __future__ import annotations

import random
import resource

import pytest

from lenet_exp.errors import GraphError
from lenet_exp.precision import assign, load_graph, report
from lenet_exp.precision.reporting import tables
from tests.fuzz.graphs import binary, damaged, files, small_graphs
from tests.fuzz.mutations import mutants

MODES = ("allow_mix_precision", "force_fp16", "must_keep_origin_dtype")
COUNTS = [("quick", 15), pytest.param("full", 360, marks=pytest.mark.full)]
MEGABYTES = 1000  # above what was there before


def explained(path, mode):
    """Return whether a file was planned; what else than a refusal comes is a fault."""
    try:
        graph_def, fetches = load_graph(path)
        text = tables.table(report(assign(graph_def, mode, fetches=fetches)), 100)
    except GraphError:
        return False
    assert text
    return True


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def outcomes(contents, path):
    before, planned, count = peak(), 0, 0
    for count, content in enumerate(contents, 1):
        path.write_bytes(content)
        planned += explained(path, MODES[count % len(MODES)])
        assert peak() - before < MEGABYTES, f"input {count}"
    assert planned < count  # what is planned is tested with the originals


def test_the_originals_are_planned(tmp_path):
    for content in files():
        (tmp_path / "graph").write_bytes(content)
        assert explained(tmp_path / "graph", MODES[0])


@pytest.mark.parametrize(("seed", "count"), COUNTS)
def test_damaged_files(seed, count, tmp_path):
    outcomes(mutants(f"graphs {seed}", files(), count), tmp_path / "graph")


@pytest.mark.parametrize(("seed", "count"), COUNTS)
def test_damaged_graphs(seed, count, tmp_path):
    rng, graphs = random.Random(f"graphs {seed}"), small_graphs()
    made = (damaged(rng, graphs[index % len(graphs)]) for index in range(count))
    outcomes(map(binary, made), tmp_path / "graph")
