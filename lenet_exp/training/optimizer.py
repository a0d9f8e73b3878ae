"""Settings -> TensorFlow's optimizers."""

from __future__ import annotations

from typing import Any

from lenet_exp import tf_compat
from lenet_exp.config.schema.run import Adam, Momentum, Optimizer, RMSProp, Sgd


def make_optimizer(settings: Optimizer) -> Any:
    """Return the tf.train optimizer that `settings` describes."""
    tf = tf_compat.load()
    rate = settings.learning_rate
    if isinstance(settings, Adam):
        return tf.train.AdamOptimizer(rate, settings.beta1, settings.beta2, settings.epsilon)
    if isinstance(settings, Momentum):
        return tf.train.MomentumOptimizer(rate, settings.momentum)
    if isinstance(settings, RMSProp):
        return tf.train.RMSPropOptimizer(rate, settings.decay, settings.momentum, settings.epsilon)
    if isinstance(settings, Sgd):
        return tf.train.GradientDescentOptimizer(rate)
    raise TypeError(settings)
