"""The tables of section 10, every row, mode and generation, exactly."""

from __future__ import annotations

import pytest

from tests.precision import lenet_tables
from tests.precision.lenet_graph import plan_of
from tests.precision.lenet_tables import CASTS, nodes_of

MODES = ("allow_mix_precision", "allow_fp32_to_fp16", "force_fp16", "must_keep_origin_dtype")
LETTERS = {"float16": "h", "float32": "f", "int32": "i", "bool": "b"}
RULES = {
    "W": "white",
    "B": "black",
    "G": "gray",
    "1": "fp16_first",
    "K": "keep",
    "R": "reduced",
    "F": "forced",
    "C": "ai_cpu",
    "X": "refused",
    "N": "keep",
}
ENGINES = {"C": "ai_cpu", "X": "refused", "N": "none"}
COLOURS = {"W": "white", "B": "black", "G": "gray", ".": "none"}
GE_TYPES = {
    "Conv2D+bias": "Conv2D",
    "MatMulV2+bias": "MatMulV2",
    "SoftmaxCrossEntropy": "SoftmaxCrossEntropyWithLogits",
    "BackpropFilterD": "Conv2DBackpropFilterD",
    "BackpropInputD": "Conv2DBackpropInputD",
}
STATUS = """
| alloc_status | NPUAllocFloatStatus | G | >f G | >f K | >f F | >f K |
| get_status | NPUGetFloatStatus | G | f>f G | f>f K | f>f F | f>f K |
| clear_status | NPUClearFloatStatus | G | f>f G | f>f K | f>f F | f>f K |
"""
VARIANTS = {
    "10.1": ("none", [lenet_tables.TABLE_10_1], "train"),
    "10.2": ("constant", [lenet_tables.TABLE_10_1, lenet_tables.TABLE_10_2], "train"),
    "10.3": (
        "variable",
        [lenet_tables.TABLE_10_1, lenet_tables.TABLE_10_2, lenet_tables.TABLE_10_3],
        "train",
    ),
    "10.4": (
        "conditional",
        [
            lenet_tables.TABLE_10_1,
            lenet_tables.TABLE_10_2,
            lenet_tables.TABLE_10_3,
            lenet_tables.TABLE_10_4,
            STATUS,
        ],
        "update/Adam",
    ),
    "10.4 with stand-ins": ("stand-ins", None, "update/Adam"),
}
VARIANTS["10.4 with stand-ins"] = ("stand-ins", VARIANTS["10.4"][1], "update/Adam")


def expected_rows(tables, adam, mode, generation):
    """Return node -> (GE type, colour, cell), later tables over earlier ones."""
    rows = {}
    for line in "\n".join(tables).split("\n"):
        if not line:
            continue
        names, ge_type, colours, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        cell = in_generation(cells[MODES.index(mode)], generation)
        colour = COLOURS[in_generation(colours, generation)]
        for node in nodes_of(names, adam):
            rows[node] = (GE_TYPES.get(ge_type, ge_type), colour, *parsed(cell))
    return rows


def in_generation(cell, generation):
    today, _, old = cell.partition(" / ")
    if generation == "today" or not old:
        return today
    if len(old) > 1 or ">" not in today:
        return old
    types, _, *casts = today.split(" ")
    return " ".join([types, old, *casts])


def parsed(cell):
    types, letter, *casts = cell.split(" ")
    inputs, outputs = types.split(">")
    if inputs.startswith("10"):
        inputs = inputs[2:] * 10
    first, _, last = casts[0][1:].partition("-") if casts else ("", "", "")
    indexes = range(int(first), int(last) + 1) if last else map(int, first)
    engine = ENGINES.get(letter)
    return inputs, outputs, tuple(indexes), RULES[letter], engine


def got_rows(plan):
    rows = {}
    for row in plan.operators:
        inputs = "".join(LETTERS[dtype] for dtype in row.inputs)
        outputs = "".join(LETTERS[dtype] for dtype in row.outputs)
        engine = row.engine.value
        null = row.ge_type in ("Reshape", "Switch", "RefSwitch", "Merge")
        # The tables say nothing of the engine but C, X and N.
        shown = None if engine == ("none" if null else "ai_core") else engine
        rows[row.name] = (
            row.ge_type,
            row.colour.value,
            inputs,
            outputs,
            row.casts,
            row.rule.value,
            shown,
        )
    return rows


@pytest.mark.parametrize("generation", ["today", "2021"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("section", list(VARIANTS))
def test_every_row_of_the_table(section, mode, generation):
    kind, tables, adam = VARIANTS[section]
    plan = plan_of(kind, mode, generation)
    assert got_rows(plan) == expected_rows(tables, adam, mode, generation)


@pytest.mark.parametrize("generation", ["today", "2021"])
@pytest.mark.parametrize("section", list(VARIANTS))
def test_as_many_casts_as_counted(section, generation):
    kind = VARIANTS[section][0]
    mix, allow, allow_2021, force, keep = CASTS[section[:4]]
    expected = [mix, allow if generation == "today" else allow_2021, force, keep]
    assert [len(plan_of(kind, mode, generation).casts) for mode in MODES] == expected


@pytest.mark.parametrize("mode", MODES)
def test_every_row_has_a_sentence_and_no_row_a_warning_but_refusals(mode):
    plan = plan_of("none", mode, "today")
    assert all(len(row.reason.split()) >= 3 for row in plan.operators)
    refused = {"Conv2D", "MaxPool", "MaxPoolGrad", "Conv2DBackpropInputD", "Conv2DBackpropFilterD"}
    named = {warning.split()[0] for warning in plan.warnings}
    assert named == (refused if mode == "must_keep_origin_dtype" else set())


def test_must_keep_refuses_five_nodes_and_sends_four_to_the_ai_cpu():
    engines = [row.engine.value for row in plan_of("none", MODES[3], "today").operators]
    assert (engines.count("refused"), engines.count("ai_cpu")) == (5, 4)
