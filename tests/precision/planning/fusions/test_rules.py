"""The vendor's rules that make one operator of several: what they take, and what they leave."""

from __future__ import annotations

import numpy as np
import pytest

from lenet_exp.precision import assign
from lenet_exp.precision.ir import op_traits
from lenet_exp.precision.target.fusion_rules import fusion_rules
from tests.precision.chip import emulated, same_bits
from tests.precision.small import ALLOW, FORCE, MIX, cell, graph_of, plan_of

RULES = {rule.name: rule for rule in fusion_rules()}
STEPWISE = {rule.makes: rule for rule in RULES.values() if rule.makes in op_traits.STEPWISE}
SHAPE = (2, 4)
_OPERATORS = {
    "Square": lambda tf, x: tf.square(x),
    "Mul": lambda tf, x, y: tf.multiply(x, y),
    "Add": lambda tf, x, y: tf.add(x, y),
    "Sub": lambda tf, x, y: tf.subtract(x, y),
    "Sqrt": lambda tf, x: tf.sqrt(x),
    "RealDiv": lambda tf, x, y: tf.realdiv(x, y),
    "Select": lambda tf, c, x, y: tf.where(c, x, y),
    "Greater": lambda tf, x, y: tf.greater(x, y),
    "Maximum": lambda tf, x, y: tf.maximum(x, y),
    "Minimum": lambda tf, x, y: tf.minimum(x, y),
    "ReduceSumD": lambda tf, x: tf.reduce_sum(x, axis=[1]),
}


def outputs(rule, tf, change=None):
    """Build a rule's pattern; return its outputs."""
    made = pattern(rule, tf, change)
    return [made[name] for name in rule.outputs]


def pattern(rule, tf, change=None):
    """Build a rule's pattern of placeholders; return its inputs and steps by name."""
    made = {name: tf.placeholder(tf.float32, SHAPE, name) for name in rule.inputs}
    steps = dict(rule.steps)
    while steps:
        for name, (ge_type, takes) in list(steps.items()):
            if all(each in made for each in takes):
                values = [made[each] for each in takes]
                values = change(name, values) if change else values
                made[name] = tf.identity(_OPERATORS[ge_type](tf, *values), name)
                del steps[name]
    return made


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_pattern_becomes_the_operator_of_its_rule(rule):
    plan = plan_of(lambda tf: outputs(rule, tf), MIX)
    (row,) = plan.operators
    assert row.ge_type == rule.makes
    assert len(row.parts) == len(rule.steps)
    assert len(row.inputs) == len(rule.inputs)
    assert None not in row.ports


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_rule_that_is_off_makes_nothing(rule):
    off = {"Switch": {"GraphFusion": dict.fromkeys(RULES, "off")}}
    plan = plan_of(lambda tf: outputs(rule, tf), MIX, fusion_switch_file=off)
    if rule.name == "clip_by_norm_nodivsquaresum":  # never off
        assert [row.ge_type for row in plan.operators] == [rule.makes]
        return
    assert sorted(row.ge_type for row in plan.operators) == sorted(
        step.ge_type for step in rule.steps.values()
    )


def inner(rule):
    return next(name for name in rule.steps if name not in rule.outputs)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_what_is_taken_inside_a_pattern_keeps_it_apart(rule):
    for taken in (lambda made: made[inner(rule)], lambda made: made[inner(rule)] * 2.0):

        def build(tf, taken=taken):
            made = pattern(rule, tf)
            value = made[inner(rule)]
            extra = value if value.dtype == tf.bool else taken(made)
            return [*(made[name] for name in rule.outputs), tf.identity(extra, "extra")]

        assert rule.makes not in {row.ge_type for row in plan_of(build, MIX).operators}


def test_operands_in_another_order_are_another_pattern():
    """bert's own order: the rate first, and the decay behind the direction."""

    def swapped(name, values):
        return values[::-1] if name in ("add3", "mul5") else values

    rule = RULES["AdamApplyOneWithDecayRuleCond5"]
    types = {row.ge_type for row in plan_of(lambda tf: outputs(rule, tf, swapped), MIX).operators}
    assert types == {"Square", "Mul", "Add", "Sqrt", "RealDiv", "Sub"}


def adam(tf, name="weights", gradient=None):
    """An update written by hand, in the order of a rule, of a float16 gradient."""
    rows = tf.placeholder(tf.float32, (4, 3), "rows")
    weights, m, v = (tf.get_variable(f"{name}{each}", [3, 2]) for each in ("", "_m", "_v"))
    loss = tf.reduce_sum(tf.matmul(rows, weights))
    gradient = tf.gradients(loss, weights)[0]
    new_m = 0.9 * m + tf.multiply(0.1, gradient)
    new_v = 0.999 * v + tf.multiply(0.001, tf.square(gradient))
    move = (new_m / (tf.sqrt(new_v) + 1e-6)) * 0.01
    new = weights - move
    return [tf.assign(*pair) for pair in ((weights, new), (m, new_m), (v, new_v))]


def test_an_update_by_hand_in_the_vendor_s_order_is_black_and_float32():
    plan = plan_of(adam, MIX)
    rows = {row.ge_type: cell(row) for row in plan.operators}
    assert rows["AdamApplyOne"] == "AdamApplyOne ffffffffff>fff black *0"
    assert "Square" not in rows
    assert not any("single operators" in text for text in plan.warnings)
    (cast,) = [each for each in plan.casts if each.target == "float32"]
    assert {port.node for port in (cast.port, *cast.others)} == {"Square", "Mul_1"}


def test_in_another_order_the_plan_warns_and_names_the_squares():
    def build(tf):
        weights, m, v = (tf.get_variable(name, [3, 2]) for name in ("weights", "m", "v"))
        loss = tf.reduce_sum(tf.matmul(tf.placeholder(tf.float32, (4, 3), "rows"), weights))
        gradient = tf.gradients(loss, weights)[0]
        new_v = 0.999 * v + tf.multiply(0.001, tf.square(gradient))
        new = weights - 0.01 * (m / (tf.sqrt(new_v) + 1e-6))
        return [tf.assign(weights, new), tf.assign(v, new_v)]

    (warning,) = [text for text in plan_of(build, MIX).warnings if "single operators" in text]
    assert warning.startswith("the update of weights is written with single operators, and squ")
    assert "(Square)" in warning
    black = {"black-list": {"to-add": ["Square"]}}
    assert not [
        text for text in plan_of(build, MIX, modify_mixlist=black).warnings if "single" in text
    ]


def test_a_normalisation_by_hand_warns_where_it_squares_in_float16():
    def build(tf):
        rows = tf.placeholder(tf.float32, (4, 8), "rows")
        value = tf.matmul(rows, tf.get_variable("weights", [8, 8]))
        mean = tf.reduce_mean(value, 1, keepdims=True)
        spread = tf.reduce_mean(tf.square(value - mean, "square"), 1, keepdims=True)
        return (value - mean) * tf.rsqrt(spread + 1e-6, "root")

    for mode, warned in ((ALLOW, False), (MIX, True), (FORCE, True)):
        found = [text for text in plan_of(build, mode).warnings if "normalisation" in text]
        assert bool(found) is warned, found
        assert all("ends in root is" in text and "(square)" in text for text in found)


@pytest.mark.parametrize("rule", STEPWISE.values(), ids=STEPWISE)
@pytest.mark.parametrize("reference", [False, True])
def test_in_float16_each_of_its_steps_rounds(reference, rule):
    graph_def, names = graph_of(lambda tf: outputs(rule, tf))
    random = np.random.RandomState(3)
    feeds = {f"{name}:0": random.uniform(0.1, 2, SHAPE).astype(np.float32) for name in rule.inputs}
    half = {name[:-2]: value.astype(np.float16) for name, value in feeds.items()}
    kinds = {
        "Square": np.square, "Mul": np.multiply, "Add": np.add, "Sub": np.subtract,
        "RealDiv": np.divide, "Select": np.where, "Greater": np.greater, "Maximum": np.maximum,
        "Sqrt": lambda x: np.sqrt(x.astype(np.float32)).astype(np.float16),
    }  # fmt: skip
    steps = dict(rule.steps)
    while steps:
        for name, (ge_type, takes) in list(steps.items()):
            if all(each in half for each in takes):
                half[name] = kinds[ge_type](*(half[each] for each in takes))
                del steps[name]
    (row,) = assign(graph_def, FORCE, fetches=names).operators
    assert row.inputs == ("float16",) * len(rule.inputs)
    with emulated(graph_def, names, FORCE, reference=reference) as run:
        for name, value in zip(rule.outputs, run(names, feeds)):
            same_bits(value, half[name])
