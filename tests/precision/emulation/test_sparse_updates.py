"""Updates of a table's rows: all of it is rounded before, only what was written after."""

from __future__ import annotations

import numpy as np
import pytest

from lenet_exp import tf_compat
from lenet_exp.precision import assign, emulate
from tests.precision.chip import saturate
from tests.precision.emulation.test_emulate import initial_values, run_steps, same_values
from tests.precision.small import FORCE, floats

ROWS, WIDTH, TAKEN = 12, 3, 4
SCATTERS = ("Add", "Div", "Max", "Min", "Mul", "Sub", "Update")


def table_graph(what):
    """Return a scatter into rows of a table, which may be given twice."""
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        table = tf.get_variable("table", [ROWS, WIDTH])
        given = {"indices": tf.placeholder(tf.int32, [TAKEN], "rows")}
        given["updates"] = floats(tf, "values", (TAKEN, WIDTH))
        scatter = getattr(tf.raw_ops, f"Scatter{what}")
        tf.group(scatter(ref=table._ref(), name="scatter", **given), name="train")
    return graph.as_graph_def()


def planned(graph_def):
    """Return a plan in which all of them are float16; today's library has no such ScatterAdd."""
    return assign(graph_def, FORCE, fetches=["train"], generation="2021")


@pytest.mark.parametrize("scale", [1.0, 1e6], ids=["usual", "too large"])
@pytest.mark.parametrize("what", SCATTERS)
def test_a_table_is_that_of_the_letter(what, scale):
    graph_def = table_graph(what)
    initial = initial_values(graph_def)
    initial["table"][-1] = 1e6, -1e6, np.nan  # in no batch: saturated by the first step
    random = np.random.RandomState(0)
    batches = [
        # Of what is written twice, either value may be there.
        {"rows:0": rows, "values:0": np.float32(random.randn(TAKEN, WIDTH) * scale)}
        for rows in ([3, 1, 4, 0], [5, 6, 7, 5] if what != "Update" else [5, 6, 7, 8], [0, 1, 2, 3])
    ]
    plan = planned(graph_def)
    fast, exact = (
        run_steps(graph_def, plan, ["train"], initial, batches, reference)
        for reference in (False, True)
    )
    for one, other in zip(fast, exact):
        same_values(one[1][0], other[1][0])
        assert one[2] is other[2]
    same_values(fast[0][1][0][6:], saturate(initial["table"][6:]).astype(np.float32))


@pytest.mark.parametrize("what", SCATTERS)
def test_only_the_rows_that_were_written_are_rounded_again(what):
    graph_def = table_graph(what)
    made = emulate(graph_def, planned(graph_def))
    types = {node.name: node.op for node in made.graph_def.node}
    added = [types[f"scatter/after/{what}"] for what in ("rows", "update")]
    assert added == ["GatherV2", "ScatterUpdate"]
    assert "scatter/after/assign" not in types
