"""A script of our network has the losses of our own run: same initial values, same batches."""

import numpy as np
import pytest
from taken_over import taken_over

from lenet_exp import cpu_session, tf_compat
from lenet_exp.config.cli.command_line import settings_to_explain
from lenet_exp.config.schema.modes import PRECISION_MODES
from lenet_exp.experiment import graphs
from lenet_exp.training.program import FedRunner, assemble

tf_compat.configure(hide_gpus=True, deterministic=True)
STEPS, BATCH = 4, 8
QUICK = ("force_fp16",)
_NUMBERS = np.random.RandomState(0)
IMAGES = _NUMBERS.randint(0, 256, (STEPS, BATCH, 28, 28, 1)).astype(np.uint8)
LABELS = _NUMBERS.randint(0, 10, (STEPS, BATCH)).astype(np.uint8)


def _run(words, begun):
    """Return the losses of a run of ours whose variables begin with these values."""
    settings = settings_to_explain([*words, f"schedule.batch_size={BATCH}"])
    built = graphs.build_graphs(settings)
    made = assemble(*graphs.emulated(built, graphs.plan(settings, built)), settings.loss_scale)
    tf, program = tf_compat.load(), made.program
    with program.graph.as_default():
        known = {name.partition(":")[0]: ref for name, ref in program.variables.items()}
        writes = [tf.assign(known[name], value) for name, value in begun.items()]
    with cpu_session.open_session(program.graph, 1) as session:
        runner = FedRunner(made, session, lambda step, count: (IMAGES, LABELS))
        session.run(writes)
        return list(runner.make_steps(STEPS).losses)


def _layer(tf, scope, shape, name):
    with tf.variable_scope(scope):
        return tf.get_variable(name, shape), tf.get_variable("bias", shape[-1:])


def _network(tf, images):
    """As a person writes it: no scopes around the operators, xw_plus_b, a shape with -1."""
    hidden = tf.reshape(images, [BATCH, 28, 28, 1])
    for number, (depth, filters) in enumerate([(1, 6), (6, 16)], 1):
        weights, bias = _layer(tf, f"layer_{number}", [5, 5, depth, filters], "weights")
        made = tf.nn.conv2d(hidden, weights, strides=[1] * 4, padding="SAME")
        made = tf.sigmoid(tf.nn.bias_add(made, bias))
        hidden = tf.nn.max_pool(made, [1, 2, 2, 1], [1, 2, 2, 1], "SAME")
    hidden = tf.reshape(hidden, [-1, 784])
    for number, (before, units) in enumerate([(784, 120), (120, 84), (84, 10)], 1):
        weight, bias = _layer(tf, f"fc_{number}", [before, units], "weight")
        made = tf.nn.xw_plus_b(hidden, weight, bias)
        hidden = tf.nn.sigmoid(made)
    return made


def _script():
    """Return the losses of a script's session, and the values that its variables began with."""
    tf = tf_compat.load()
    with tf.Graph().as_default():
        tf.set_random_seed(1)
        images = tf.placeholder(tf.float32, [BATCH, 784])
        labels = tf.placeholder(tf.float32, [BATCH, 10])
        logits = _network(tf, images)
        each = tf.nn.softmax_cross_entropy_with_logits_v2(labels=labels, logits=logits)
        loss = tf.reduce_mean(each)
        tf.summary.scalar("loss", loss)
        train = tf.train.AdamOptimizer().minimize(loss)
        summary = tf.summary.merge_all()
        found = []
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            begun = session.run({one.op.name: one for one in tf.global_variables()})
            for pixels, classes in zip(IMAGES, LABELS):
                fed = {
                    images: pixels.reshape(BATCH, 784) * np.float32(1 / 255),
                    labels: np.eye(10)[classes],
                }
                found.append(session.run([summary, loss, train], fed)[1])
    return found, begun


@pytest.mark.parametrize("mode", [
    pytest.param(mode, marks=() if mode in QUICK else pytest.mark.full) for mode in PRECISION_MODES
])  # fmt: skip
def test_a_script_has_the_losses_of_our_own_run(mode):
    with taken_over(mode) as heard:
        found, begun = _script()
    assert [run.reason for run in heard.runs if run.reason] == []
    losses = _run([f"precision={mode}"], begun)
    assert [float(loss) for loss in found] == [float(loss) for loss in losses]
    assert len({*map(float, found)}) > 1
