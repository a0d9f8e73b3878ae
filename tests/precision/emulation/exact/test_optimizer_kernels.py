"""Optimizer updates in float16 against numpy, rounding by rounding; epsilon 1e-8 is 0."""

from __future__ import annotations

import numpy as np
import pytest

from lenet_exp import tf_compat
from tests.precision.chip import Chip, emulated, kept, same_bits
from tests.precision.small import FORCE, floats, graph_of

BOTH = pytest.mark.parametrize("reference", [False, True], ids=["fast", "reference"])
RESOURCE = pytest.mark.parametrize("resource", [False, True], ids=["ref", "resource"])
SHAPE = (37, 13)


class Steps:
    """Elementary operations on float16 values, each rounded once."""

    def __init__(self, chip):
        self.chip = chip

    def __call__(self, formula, *inputs):
        with np.errstate(all="ignore"):
            return self.chip.round(formula(*(np.asarray(each, np.float64) for each in inputs)))


def adam(chip, state, gradient, rates, nesterov=False):
    """Return var, m, v after ApplyAdamD, as the rule's lines have it."""
    var, m, v = (chip.round(each) for each in state)
    power1, power2, lr, beta1, beta2, epsilon = (Chip(chip.flush).round(r) for r in rates)
    g, r = chip.round(gradient), Steps(chip)
    a = r(np.subtract, 1, beta1)
    m_new = r(np.add, m, r(np.multiply, r(np.subtract, g, m), a))
    b = r(np.subtract, 1, beta2)
    q = r(np.multiply, g, g)
    v_new = r(np.add, v, r(np.multiply, r(np.subtract, q, v), b))
    c = r(np.sqrt, r(np.subtract, 1, power2))
    k = r(np.divide, r(np.multiply, c, lr), r(np.subtract, 1, power1))
    t = r(np.add, r(np.sqrt, v_new), epsilon)
    ahead = m_new
    if nesterov:
        ahead = r(np.add, r(np.multiply, m_new, beta1), r(np.multiply, g, a))
    w = r(np.divide, r(np.multiply, ahead, k), t)
    return r(np.subtract, var, w), m_new, v_new


def gradient_descent(chip, state, gradient, rate):
    (var,), r = (chip.round(each) for each in state), Steps(chip)
    move = r(np.multiply, Chip().round(rate), chip.round(gradient))
    return (r(np.subtract, var, move),)


def momentum(chip, state, gradient, rates, nesterov=False):
    """Return var, accum: widened to float32, computed, rounded once."""
    var, accum, g = (chip.round(each).astype(np.float32) for each in (*state, gradient))
    lr, mu = (Chip().round(each).astype(np.float32) for each in rates)
    accum = accum * mu + g
    move = g * lr + accum * lr * mu if nesterov else lr * accum
    return chip.round(var - move), chip.round(accum)


def update_graph(op, slots, shape, resource, attributes):
    """Return one update of variables var and slots by the gradient g, as GraphDef and fetches."""
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        tf.get_variable_scope().set_use_resource(resource)
        variables = [tf.get_variable(name, shape) for name in ("var", *slots)]
        handles = [v.handle if resource else v._ref() for v in variables]
        made = op(tf, handles, floats(tf, "g", shape), {**dict(attributes), "resource": resource})
        return graph.as_graph_def(), [made.name if resource else made.op.name]


ADAM = (0.9**3, 0.999**3, 0.001, 0.9, 0.999, 1e-8)


def adam_op(tf, handles, gradient, attributes):
    kind = tf.raw_ops.ResourceApplyAdam if attributes.pop("resource") else tf.raw_ops.ApplyAdam
    names = ("beta1_power", "beta2_power", "lr", "beta1", "beta2", "epsilon")
    rates = {name: tf.constant(value) for name, value in zip(names, attributes.pop("rates"))}
    return kind(var=handles[0], m=handles[1], v=handles[2], grad=gradient, **rates, **attributes)


def descent_op(tf, handles, gradient, attributes):
    raw, rate = tf.raw_ops, tf.constant(attributes["rates"])
    kind = raw.ResourceApplyGradientDescent if attributes["resource"] else raw.ApplyGradientDescent
    return kind(var=handles[0], alpha=rate, delta=gradient)


def momentum_op(tf, handles, gradient, attributes):
    raw, (lr, mu) = tf.raw_ops, (tf.constant(each) for each in attributes["rates"])
    kind = raw.ResourceApplyMomentum if attributes["resource"] else raw.ApplyMomentum
    return kind(
        var=handles[0], accum=handles[1], lr=lr, grad=gradient, momentum=mu,
        use_nesterov=attributes.get("use_nesterov", False),
    )  # fmt: skip


def run_update(op, slots, state, gradient, reference, resource, flush=False, **attributes):
    """Return the variables after one emulated update, and the flag."""
    names, attributes = ("var", *slots), tuple(sorted(attributes.items()))
    run, (name,) = kept(
        update_graph, op, slots, gradient.shape, resource, attributes, reference=reference,
        flush=flush,
    )  # fmt: skip
    run.begin(dict(zip(names, state)))
    run(name if resource else f"{name}:0", {"g:0": gradient})
    return run.get_all(names), run.flag


def tensors(seed, size=1.0):
    random = np.random.RandomState(seed)
    spread = 10.0 ** random.uniform(-6, 1, SHAPE)
    return (random.randn(*SHAPE) * spread * size).astype(np.float32)


GRADIENTS = {
    "moderate": tensors(9) / np.float32(10),
    "overflowing": tensors(9) * np.float32(1e4),
    "not finite": np.where(np.arange(13) == 5, np.float32(np.nan), tensors(9)).astype(np.float32),
}
SLOTS = {"moderate": 1.0, "overflowing": 100.0, "not finite": 1.0}


@BOTH
@RESOURCE
@pytest.mark.parametrize(("epsilon", "nesterov"), [(1e-8, False), (1e-4, False), (1e-4, True)])
@pytest.mark.parametrize("kind", GRADIENTS)
def test_adam_rounds_fifteen_times(kind, nesterov, epsilon, resource, reference):
    state = tensors(0), tensors(1), np.abs(tensors(2))
    rates = (*ADAM[:-1], epsilon)
    chip = Chip()
    expected = adam(chip, state, GRADIENTS[kind], rates, nesterov)
    got, flag = run_update(
        adam_op, ("m", "v"), state, GRADIENTS[kind], reference, resource, rates=rates,
        use_nesterov=nesterov,
    )  # fmt: skip
    for one, other in zip(got, expected):
        same_bits(one, other)
    assert flag is chip.flag
    assert chip.flag or kind == "moderate"


@BOTH
def test_adams_square_root_is_exact_for_every_second_moment(reference):
    """Every float16 v there is: TensorFlow 1.15's float32 root is not rounded to nearest."""
    v = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float32)
    zeros, ones = np.zeros_like(v), np.ones_like(v)
    rates = (0.0, 0.0, 1.0, 0.0, 1.0, 1.0)  # v' = v, m' = g: var' = -1 / (sqrt(v) + 1)
    expected = adam(Chip(), (zeros, zeros, v), ones, rates)
    got, flag = run_update(
        adam_op, ("m", "v"), (zeros, zeros, v), ones, reference, False, rates=rates
    )  # fmt: skip
    same_bits(got[0], expected[0])
    assert not flag


EPSILON = [
    pytest.param(1e-8, 1e-3, 0.0, -65504.0, True, id="1e-8 is 0: a small gradient flings"),
    pytest.param(1e-8, 0.0, 0.0, 0.0, True, id="1e-8 is 0: no gradient is 0/0 = 0, flagged"),
    pytest.param(1e-4, 0.0, 0.0, 0.0, False, id="1e-4: no gradient, no move"),
]


@BOTH
@pytest.mark.parametrize(("epsilon", "gradient", "v", "expected", "flagged"), EPSILON)
def test_epsilon_of_1e_8_is_zero(epsilon, gradient, v, expected, flagged, reference):
    state = np.zeros(SHAPE), np.zeros(SHAPE), np.full(SHAPE, v)
    rates = (0.9, 0.999, 0.001, 0.9, 0.999, epsilon)
    got, flag = run_update(
        adam_op, ("m", "v"), state, np.full(SHAPE, gradient, np.float32), reference, False,
        rates=rates,
    )  # fmt: skip
    assert (got[0] == expected).all()
    assert flag is flagged


@BOTH
@RESOURCE
@pytest.mark.parametrize("kind", GRADIENTS)
def test_gradient_descent_rounds_twice(kind, resource, reference):
    state, chip = (tensors(0),), Chip()
    expected = gradient_descent(chip, state, GRADIENTS[kind], 0.3)
    got, flag = run_update(
        descent_op, (), state, GRADIENTS[kind], reference, resource, rates=0.3
    )  # fmt: skip
    same_bits(got[0], expected[0])
    assert flag is chip.flag


@BOTH
@RESOURCE
@pytest.mark.parametrize("nesterov", [False, True], ids=["plain", "nesterov"])
@pytest.mark.parametrize("kind", GRADIENTS)
def test_momentum_is_rounded_once(kind, nesterov, resource, reference):
    state, chip = (tensors(0), tensors(1)), Chip()
    expected = momentum(chip, state, GRADIENTS[kind], (0.3, 0.9), nesterov)
    got, flag = run_update(
        momentum_op, ("accum",), state, GRADIENTS[kind], reference, resource, rates=(0.3, 0.9),
        use_nesterov=nesterov,
    )  # fmt: skip
    for one, other in zip(got, expected):
        same_bits(one, other)
    assert flag is chip.flag


@BOTH
def test_a_variable_beyond_float16_is_saturated_when_it_is_read(reference):
    state, chip = (np.full(SHAPE, 1e6),), Chip()
    expected = gradient_descent(chip, state, np.ones(SHAPE, np.float32), 1.0)
    got, flag = run_update(
        descent_op, (), state, np.ones(SHAPE, np.float32), reference, False, rates=1.0
    )  # fmt: skip
    same_bits(got[0], expected[0])
    assert flag is chip.flag is True


OTHERS = {
    "Adagrad": lambda tf: tf.train.AdagradOptimizer(0.01),
    "Ftrl": lambda tf: tf.train.FtrlOptimizer(0.01),
    "Adadelta": lambda tf: tf.train.AdadeltaOptimizer(1.0),
}


@BOTH
@RESOURCE
@pytest.mark.parametrize("name", OTHERS)
def test_other_optimizers_leave_float16_values(name, resource, reference):
    """No line describes them: at least what they leave fits, and nothing fails."""

    def build(tf):
        tf.get_variable_scope().set_use_resource(resource)
        var = tf.get_variable("var", SHAPE)
        optimizer = OTHERS[name](tf)
        made = optimizer.apply_gradients([(floats(tf, "g", SHAPE), var)], name="train")
        made.graph.add_to_collection("made", var)
        return tf.reduce_sum(floats(tf, "unused", (2, 2)))

    graph_def, _ = graph_of(build)
    initial = {"var": tensors(0)}
    with emulated(graph_def, ["train"], FORCE, initial, reference) as run:
        variables = [n.name for n in graph_def.node if n.op in ("VariableV2", "VarHandleOp")]
        run.set({name: np.abs(tensors(1)) for name in variables if name != "var"})
        run("train", {"g:0": GRADIENTS["moderate"]})
        for variable in variables:
            value = run.get(variable)
            same_bits(value, value.astype(np.float16))
