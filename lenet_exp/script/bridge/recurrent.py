"""The vendor's recurrent layers, of plain TensorFlow operators."""

from __future__ import annotations

from typing import Any

import tensorflow.compat.v1 as tf


def npu_dynamic_rnn(
    cell: Any,
    inputs: Any,
    initial_state: Any = None,
    dtype: Any = None,
    sequence_length: Any = None,
    scope: Any = None,
) -> Any:
    """Return the outputs [time, batch, ...] of a cell, unrolled, and its last state."""
    steps = tf.unstack(inputs, axis=0)
    outputs, state = tf.nn.static_rnn(
        cell, steps, initial_state=initial_state, dtype=dtype, sequence_length=sequence_length,
        scope=scope,
    )  # fmt: skip
    return tf.stack(outputs, axis=0), state
