"""Our state machine beside the vendor's, step for step; prints a JSON summary.

Run beside the double: `python scale_agreement.py STEPS`, or `python scale_agreement.py vector`.
"""

import json
import sys

import numpy as np

from lenet_exp import tf_compat
from lenet_exp.config.schema.run import DynamicLossScale
from lenet_exp.hardware import ascend910
from lenet_exp.training.loss_scale import ScaleState, advance, scaling

ascend910.adapter()  # before any session

from npu_bridge.double.status import STATUS  # noqa: E402

tf = tf_compat.load()
VECTOR = [0, 0, 0, 0, 1, 0, 1, 1, 0, 0, 0, 1, 1]


def chip_step(settings):
    """Return a function from overflow to (scale, good, bad, global_step) after a real step."""
    with tf.Graph().as_default() as graph:
        weight = tf.get_variable("weight", initializer=1.0)
        applied = tf.train.get_or_create_global_step()
        optimizer = tf.train.GradientDescentOptimizer(2.0**-20)
        wrapped, _ = ascend910.wrap_optimizer(optimizer, scaling(settings).manager)
        # A loss of almost no size: real overflows must not come between the forced ones.
        pairs = wrapped.compute_gradients(weight * tf.constant(2.0**-149 * 2**20))
        train = wrapped.apply_gradients(pairs, global_step=applied)
        names = ("loss_scale", "good_steps", "bad_steps", "global_step")
        state = [next(v for v in tf.global_variables() if v.op.name == name) for name in names]
        init = tf.global_variables_initializer()
    config = tf.ConfigProto()
    tf_compat.keep_on_host(config)
    session = tf.Session(graph=graph, config=config)
    session.run(init)

    def step(overflow):
        STATUS.injected = lambda read: overflow
        session.run(train)
        return [float(value) for value in session.run(state)]

    return step


def cpu_step(settings):
    """Return the same of our own state machine, as the CPU's training runs it."""
    with tf.Graph().as_default() as graph:
        state = ScaleState(
            tf.placeholder(tf.float32, []),
            tf.placeholder(tf.int32, []),
            tf.placeholder(tf.int32, []),
        )
        finite = tf.placeholder(tf.bool, [])
        after = advance(state, finite, settings)
    config = tf.ConfigProto()
    tf_compat.keep_on_host(config)
    session = tf.Session(graph=graph, config=config)
    call = session.make_callable(list(after), [*state, finite])
    kept = [np.float32(settings.init_loss_scale), 0, 0]
    applied = [0]

    def step(overflow):
        kept[:] = call(*kept, not overflow)
        applied[0] += not overflow
        return [*(float(value) for value in kept), float(applied[0])]

    return step


def disagreements(settings, overflows):
    chip, cpu = chip_step(settings), cpu_step(settings)
    pairs = [(chip(bool(overflow)), cpu(bool(overflow))) for overflow in overflows]
    return sum(one != other for one, other in pairs), [one for one, _ in pairs]


def main(words):
    if words == ["vector"]:
        wrong, seen = disagreements(DynamicLossScale("dynamic", 16.0, 3, 2, 2.0, 0.5), VECTOR)
        print(json.dumps({"disagreements": wrong, "seen": seen}))
        return
    total, scales, wrong = int(words[0]), set(), 0
    rng = np.random.RandomState(7)
    for _ in range(10):  # ten machines, with rules and rates of overflow of their own
        settings = DynamicLossScale(
            "dynamic", 2.0 ** rng.randint(0, 126), rng.randint(1, 8), rng.randint(1, 5),
            float(rng.choice([1.5, 2.0, 4.0, 1e6])), float(rng.choice([0.5, 0.25, 0.8])),
        )  # fmt: skip
        overflows = rng.rand(total // 10) < rng.choice([0.02, 0.1, 0.3, 0.6])
        found, seen = disagreements(settings, overflows)
        wrong += found
        scales |= {row[0] for row in seen}
    print(json.dumps({"steps": total, "disagreements": wrong, "scales": len(scales)}))


main(sys.argv[1:])
