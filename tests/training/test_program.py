"""The step and what is put around it, in real sessions on real images."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest

from lenet_exp import cpu_session, tf_compat
from lenet_exp.config.schema.run import (
    Adam,
    DynamicLossScale,
    FixedLossScale,
    Momentum,
    NoLossScale,
    RMSProp,
    Sgd,
)
from lenet_exp.data import mnist
from lenet_exp.data.batches import batch_indices
from lenet_exp.experiment import graphs
from lenet_exp.hardware.cpu import open_session
from lenet_exp.model import lenet
from lenet_exp.precision import assign
from lenet_exp.training.graphs import build_inference, build_step
from lenet_exp.training.program import FedRunner, assemble
from tests.stacks import STACK, full_on_tf1

ADAM = Adam("adam", 0.001, 0.9, 0.999, 1e-8)
NONE = NoLossScale("none")
SCALES = {
    "none": NONE,
    "fixed": FixedLossScale("fixed", 1024.0),
    "dynamic": DynamicLossScale("dynamic", 2.0**15, 5, 2, 2.0, 0.5),
}


@pytest.fixture(scope="module")
def train(mnist_folder):
    return mnist.load(mnist_folder).train


def steep(images):
    """A layer with gradients so large that a scale of 2**127 takes them out of float32."""
    tf = tf_compat.load()
    return 1e6 * tf.matmul(tf.reshape(images, [-1, 784]), tf.get_variable("weight", [784, 10]))


def emulated(step, inference, mode):
    asked = ((step.graph_def, step.fetches), (inference.graph_def, (inference.classes,)))
    decided = [assign(graph, mode, fetches=fetches) for graph, fetches in asked]
    chip = graphs.ChipPlan(*decided, b"", None)
    return graphs.emulated(graphs.Graphs(step, inference), chip)


KEEP = "must_keep_origin_dtype"


@functools.lru_cache(maxsize=None)
def program_of(loss_scale, seed, network, mode):
    step = build_step(network, lenet.IMAGE_SHAPE, 64, ADAM, loss_scale, seed)
    inference = build_inference(network, lenet.IMAGE_SHAPE, 500)
    return assemble(*emulated(step, inference, mode), loss_scale)


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """Return what gives a runner before its first step; a program has one session for all tests."""
    folder = tmp_path_factory.mktemp("starts")

    @functools.lru_cache(maxsize=None)
    def runner_of(*program):
        made = program_of(*program)
        runner = FedRunner(made, open_session(made.program.graph, threads=1), None)
        start = str(folder / str(runner_of.cache_info().currsize))
        runner.save(start)
        return runner, start

    def begun(loss_scale=NONE, seed=0, network=lenet.logits, mode=KEEP):
        runner, start = runner_of(loss_scale, seed, network, mode)
        runner.restore(start)  # its initialiser would draw other numbers now
        return runner

    return begun


def values(runner):
    """Every variable; with scaling Adam's own scalars lie inside the cond."""
    found = runner.session.run(runner.program.variables)
    return {name.replace("update/", ""): value for name, value in found.items()}


def steps(runner, train, first, count):
    drawn = batch_indices(0, len(train.labels), 64, first, count)
    return runner.call(train.images[drawn], train.labels[drawn])


def same_bits(one, two):
    return one.keys() == two.keys() and all(one[k].tobytes() == two[k].tobytes() for k in one)


MODES = (KEEP, "allow_mix_precision", "force_fp16")
QUICK = {("dynamic", KEEP), *([("fixed", "allow_mix_precision")] if STACK == "tf2" else [])}


def kinds_and_modes():
    for kind, mode in itertools.product(SCALES, MODES):
        yield pytest.param(kind, mode, marks=[] if (kind, mode) in QUICK else pytest.mark.full)


@pytest.mark.parametrize(("kind", "mode"), kinds_and_modes())
def test_several_steps_a_call_give_the_bits_of_single_steps(kind, mode, opened, train, tmp_path):
    runner, start = opened(SCALES[kind], mode=mode), str(tmp_path / "start")
    runner.save(start)
    done = steps(runner, train, 0, 7)  # the dynamic scale grows after five
    together = values(runner)
    runner.restore(start)
    each = [steps(runner, train, step, 1) for step in range(7)]
    assert done.losses.tobytes() == b"".join(part.losses.tobytes() for part in each)
    assert done.loss_scale == each[-1].loss_scale
    assert same_bits(together, values(runner))


@full_on_tf1
def test_the_next_steps_are_drawn_and_made_at_most_ten_a_call(opened, train):
    drawn = []

    def draw(first, count):
        drawn.append((first, count))
        chosen = batch_indices(0, len(train.labels), 64, first, count)
        return train.images[chosen], train.labels[chosen]

    made, session = program_of(NONE, 0, lenet.logits, KEEP), opened().session
    wanted, whole = steps(opened(), train, 0, 25), FedRunner(made, session, draw)
    opened()
    done = whole.make_steps(25)
    assert drawn == [(0, 10), (10, 10), (20, 5)]
    assert done.losses.tobytes() == wanted.losses.tobytes()
    resumed = FedRunner(made, session, draw, 7)
    resumed.make_steps(2)
    resumed.make_steps(1)
    assert drawn[3:] == [(7, 2), (9, 1)]


@full_on_tf1
def test_another_seed_gives_other_bits(opened, train):
    one, two = opened(seed=0), opened(seed=1)
    assert not same_bits(values(one), values(two))


@full_on_tf1
@pytest.mark.parametrize(
    "scale",
    [1024.0, *(pytest.param(scale, marks=pytest.mark.full) for scale in (1.0, 2.0**15))],
)
def test_a_power_of_two_as_scale_changes_no_bit_in_float32(scale, opened, train):
    plain, scaled = opened(), opened(FixedLossScale("fixed", scale))
    wanted, found = steps(plain, train, 0, 10), steps(scaled, train, 0, 10)
    assert found.losses.tobytes() == wanted.losses.tobytes()
    assert not found.skipped.any()
    assert same_bits(values(scaled), values(plain))


def test_an_overflowing_step_changes_nothing_but_the_scale(opened, train):
    runner = opened(DynamicLossScale("dynamic", 2.0**127, 1000, 2, 2.0, 2.0**-20), network=steep)
    before = values(runner)
    done = steps(runner, train, 0, 3)
    after = values(runner)
    assert done.skipped.tolist() == [True, True, False]
    assert done.loss_scale == 2.0**107
    changed = {k for k in after if after[k].tobytes() != before[k].tobytes()}
    assert after.keys() - changed == {"bad_steps:0", "float_status:0"}  # both are 0 again
    runner = opened(DynamicLossScale("dynamic", 2.0**127, 1000, 3, 2.0, 0.25), network=steep)
    before = values(runner)
    assert steps(runner, train, 0, 2).skipped.all()
    after = values(runner)
    changed = {k for k in after if after[k].tobytes() != before[k].tobytes()}
    assert changed == {"bad_steps:0"}


def test_a_fixed_scale_that_overflows_skips_every_step(opened, train):
    runner = opened(FixedLossScale("fixed", 2.0**126), network=steep)
    before = values(runner)
    done = steps(runner, train, 0, 4)
    assert done.skipped.all()
    assert done.loss_scale == 2.0**126
    assert same_bits(values(runner), before)


def test_the_dynamic_scale_grows_after_its_good_steps(opened, train):
    done = steps(opened(SCALES["dynamic"]), train, 0, 11)
    assert done.loss_scale == 2.0**17
    assert not done.skipped.any()


def sgd(value, slots, gradient, step):
    return value - 0.5 * gradient


def momentum(value, slots, gradient, step):
    slots["m"] = 0.9 * slots.get("m", 0) + gradient
    return value - 0.1 * slots["m"]


def rmsprop(value, slots, gradient, step):
    slots["ms"] = 0.9 * slots.get("ms", 1.0) + 0.1 * gradient**2  # TensorFlow starts at one
    slots["mom"] = 0.5 * slots.get("mom", 0) + 0.001 * gradient / np.sqrt(slots["ms"] + 1e-10)
    return value - slots["mom"]


def adam(value, slots, gradient, step):
    slots["m"] = 0.9 * slots.get("m", 0) + 0.1 * gradient
    slots["v"] = 0.999 * slots.get("v", 0) + 0.001 * gradient**2
    rate = 0.001 * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
    return value - rate * slots["m"] / (np.sqrt(slots["v"]) + 1e-8)


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        (ADAM, adam),
        (Sgd("sgd", 0.5), sgd),
        (Momentum("momentum", 0.1, 0.9), momentum),
        (RMSProp("rmsprop", 0.001, 0.9, 0.5, 1e-10), rmsprop),
    ],
    ids=["adam", "sgd", "momentum", "rmsprop"],
)
def test_optimizers_follow_their_formulas(settings, rule):
    """One weight, labels all 0: the gradient of the loss is known by hand."""
    tf = tf_compat.load()

    def network(images):
        weight = tf.get_variable("weight", initializer=np.float32(0.3))
        return tf.stack([weight * images[:, 0], tf.zeros_like(images[:, 0])], axis=1)

    step = build_step(network, [1], 4, settings, NONE, 0, classes=2)

    def inference(images):
        return network(images)

    program = assemble(step, build_inference(inference, [1], 4), NONE)
    with cpu_session.open_session(program.program.graph, 1, optimize=False) as session:
        runner = FedRunner(program, session, None)
        pixels = np.full([6, 4, 1], 255, np.uint8)
        losses = runner.call(pixels, np.zeros([6, 4], np.uint8)).losses
        found = session.run(program.program.variables["weight:0"])
    value, slots, expected = 0.3, {}, []
    for number in range(1, 7):
        expected.append(np.log1p(np.exp(-value)))  # cross-entropy of softmax([value, 0])
        gradient = -1 / (1 + np.exp(value))
        value = rule(value, slots, gradient, number)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    np.testing.assert_allclose(found, value, rtol=1e-5)


@full_on_tf1
def test_predict_takes_any_number_of_images(opened, train):
    runner = opened()
    steps(runner, train, 0, 30)
    wanted = runner.predict(train.images[:1500])
    assert wanted.shape == (1500,)
    assert wanted.dtype == np.uint8
    assert np.array_equal(runner.predict(train.images[:1207]), wanted[:1207])


def test_saved_variables_can_be_read_by_name(opened, train, tmp_path):
    tf = tf_compat.load()
    runner = opened(SCALES["dynamic"])
    steps(runner, train, 0, 3)
    runner.save(str(tmp_path / "model"))
    reader = tf.train.load_checkpoint(str(tmp_path / "model"))
    kept = {f"{name}:0": reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    assert {"fc_3/bias:0", "fc_3/bias/Adam:0", "loss_scale:0", "good_steps:0"} < set(kept)
    found = runner.session.run(runner.program.variables)
    assert all(np.array_equal(kept[name], found[name]) for name in found)
    assert kept.keys() == found.keys()


def test_the_step_s_graph_begins_at_float32_images_and_int32_labels():
    step = build_step(lenet.logits, lenet.IMAGE_SHAPE, 64, ADAM, SCALES["dynamic"], 0)
    inputs = {n.name: n.attr["dtype"].type for n in step.graph_def.node if n.op == "Placeholder"}
    tf = tf_compat.load()
    assert inputs.pop("float_status_buffer") == tf.float32.as_datatype_enum  # a stand-in
    assert inputs == {"images": tf.float32.as_datatype_enum, "labels": tf.int32.as_datatype_enum}
    kinds = {node.op for node in step.graph_def.node}
    assert not kinds & {"While", "If", "StatelessIf", "VarHandleOp", "TensorArrayV3"}
    assert {"Switch", "Merge", "VariableV2", "ApplyAdam"} <= kinds
