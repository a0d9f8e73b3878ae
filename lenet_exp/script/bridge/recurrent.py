"""The vendor's recurrent layers, of plain TensorFlow operators.

On the chip each is one operator, which computes all steps inside; here each step is operators of
its own, so that more of them round. The variables, their names and shapes are the vendor's.
Gates: hicann/tensorflow, npu_dynamic_rnn.py for the weights; the order i, j, f, o of the LSTM is
that of BasicLSTMCell, z, r, h (or r, z, h) of the GRU what `gate_order` says.
"""

from __future__ import annotations

import math
from typing import Any, Callable, Dict, List, Tuple

import tensorflow.compat.v1 as tf

from lenet_exp.script.bridge.refusal import NotOnCpuError

_ONE, _BOTH = "UNIDIRECTIONAL", "BIDIRECTIONAL"
_DIRECTIONS, _GATE_ORDERS = (_ONE, _BOTH), ("zrh", "rzh")
# The options of all kinds, in the vendor's order, those of the GRUs, and of the LSTM.
_OF_ALL: Dict[str, Any] = {"cell_depth": 1, "keep_prob": 1.0, "cell_clip": -1.0, "num_proj": 0,
                           "time_major": True, "activation": "tanh"}  # fmt: skip
_OF_GRUS = {"direction": _ONE, **_OF_ALL, "gate_order": "zrh", "reset_after": True,
            "is_training": True}  # fmt: skip

_OF_LSTMS = {"cell_type": "LSTM", "direction": _ONE, "cell_depth": 1, "use_peephole": False,
             **_OF_ALL, "forget_bias": 0.0, "is_training": True}  # fmt: skip


class _Layer:
    """Makes its variables at its first call; called again, it shares them."""

    scope = ""
    options: Dict[str, Any] = {}  # noqa: RUF012 - the defaults of a kind, in the vendor's order
    free: Tuple[str, ...] = ()  # those that may be given another value

    def __init__(self, hidden_size: int, dtype: Any, *values: Any, **given: Any) -> None:
        kind = type(self).__name__
        if len(values) > len(self.options):
            raise TypeError(f"{kind} takes at most {len(self.options) + 2} values")
        given = {**dict(zip(self.options, values)), **given}
        for name, value in given.items():
            if name not in self.options:
                raise TypeError(f"{kind} got an unexpected keyword argument {name!r}")
            if name == "direction" and value not in _DIRECTIONS:
                raise ValueError(f"Invalid direction: {value}, expecting {_ONE} or {_BOTH}")
            if name == "gate_order" and value not in _GATE_ORDERS:
                raise ValueError(f"Invalid gate_order: {value}, expecting zrh or rzh")
            if name not in self.free and value != self.options[name]:
                only = [f"{name}={self.options[name]}"]
                raise NotOnCpuError(f"{name}={value} of {kind}", only)
        self._hidden, self._dtype = hidden_size, dtype
        self._given = {**self.options, **given}
        self._variables: List[Any] = []

    def _make(self, *parts: Tuple[str, List[int], Any]) -> List[Any]:
        if not self._variables:
            with tf.variable_scope(None, self.scope):
                self._variables = [
                    tf.get_variable(name, shape, self._dtype, start) for name, shape, start in parts
                ]
        return self._variables


class DynamicRNN(_Layer):
    """An LSTM over [time, batch, input]: y, h, c, and the gates i, j, f, o and tanh(c)."""

    scope = "dynamic_rnn"
    options = _OF_LSTMS
    free = ("direction", "forget_bias", "is_training")

    def __call__(
        self,
        x: Any,
        seq_length: Any = None,
        init_h: Any = None,
        init_c: Any = None,
        weight: Any = None,
        bias: Any = None,
    ) -> List[Any]:
        """Return eight tensors [time, batch, hidden], of both directions with 2 in front."""
        both = [2] if self._given["direction"] == _BOTH else []
        shape = [*both, int(x.shape[-1]) + self._hidden, 4 * self._hidden]
        glorot = tf.glorot_uniform_initializer(seed=10, dtype=self._dtype)
        zero = ("dynamicrnn/b", [*both, 4 * self._hidden], tf.zeros_initializer())
        made = self._make(("dynamicrnn/w", shape, glorot), zero)
        w, b = made[0] if weight is None else weight, made[1] if bias is None else bias
        zeros = tf.zeros(tf.stack([len(both) + 1, tf.shape(x)[1], self._hidden]), self._dtype)
        h, c = (zeros if start is None else start for start in (init_h, init_c))
        if not both:
            return self._one(x, w, b, (_last_two(h), _last_two(c)), seq_length)
        forward = self._one(x, w[0], b[0], (h[0], c[0]), seq_length)
        turned = _reversed(x, seq_length)
        backward = self._one(turned, w[1], b[1], (h[1], c[1]), seq_length)
        back = [_reversed(each, seq_length) for each in backward]
        return [tf.stack(pair) for pair in zip(forward, back)]

    def _one(self, x: Any, w: Any, b: Any, start: Any, lengths: Any) -> List[Any]:
        forget = self._given["forget_bias"]

        def step(state: Any, inputs: Any) -> Any:
            at, now = inputs
            gates = tf.matmul(tf.concat([now, state[1]], 1), w) + b
            i, j, f, o = tf.split(gates, 4, 1)
            i, j, f, o = tf.sigmoid(i), tf.tanh(j), tf.sigmoid(f + forget), tf.sigmoid(o)
            c = f * state[2] + i * j
            t = tf.tanh(c)
            found = [o * t, o * t, c, i, j, f, o, t]
            return found if lengths is None else _within(at, lengths, found, state)

        rest = [start[0]] * 8
        rest[2] = start[1]
        times = tf.range(tf.shape(x)[0])
        return list(tf.scan(step, (times, x), rest, parallel_iterations=1))


class DynamicGRUV2(_Layer):
    """A GRU over [time, batch, input]: y, h, and the gates z, r, h and the hidden part of h."""

    scope, prefix = "dynamic_gruv2", "dynamicgruv2"
    options, free = _OF_GRUS, ("gate_order", "is_training")

    def __call__(self, x: Any, seq_length: Any = None, init_h: Any = None) -> List[Any]:
        """Return six tensors [time, batch, hidden]."""
        return self._computed(x, seq_length, init_h, lambda at, z: z)

    def _computed(
        self, x: Any, lengths: Any, init_h: Any, update: Callable[[Any, Any], Any]
    ) -> List[Any]:
        size, bound = self._hidden, 1 / math.sqrt(self._hidden)
        start = tf.random_uniform_initializer(-bound, bound)
        shapes = {"weight_input": [int(x.shape[-1]), 3 * size], "weight_hidden": [size, 3 * size],
                  "bias_input": [3 * size], "bias_hidden": [3 * size]}  # fmt: skip
        parts = [(f"{self.prefix}/{name}", shape, start) for name, shape in shapes.items()]
        w_in, w_hidden, b_in, b_hidden = self._make(*parts)
        order = self._given["gate_order"]

        def step(state: Any, inputs: Any) -> Any:
            at, now = inputs
            of_input = dict(zip(order, tf.split(tf.matmul(now, w_in) + b_in, 3, 1)))
            hidden = dict(zip(order, tf.split(tf.matmul(state[1], w_hidden) + b_hidden, 3, 1)))
            z, r = (tf.sigmoid(of_input[name] + hidden[name]) for name in "zr")
            z = update(at, z)
            n = tf.tanh(of_input["h"] + r * hidden["h"])
            h = (1 - z) * n + z * state[1]
            found = [h, h, z, r, n, hidden["h"]]
            return found if lengths is None else _within(at, lengths, found, state)

        zeros = tf.zeros(tf.stack([tf.shape(x)[1], size]), self._dtype)
        first = zeros if init_h is None else init_h
        times = tf.range(tf.shape(x)[0])
        return list(tf.scan(step, (times, x), [first] * 6, parallel_iterations=1))


class DynamicAUGRU(DynamicGRUV2):
    """A GRU whose update gate is weighted by attention [time, batch]."""

    scope, prefix = "dynamic_augru", "dynamicaugru"

    def __call__(  # type: ignore[override]
        self, x: Any, weight_att: Any, seq_length: Any = None, init_h: Any = None
    ) -> List[Any]:
        """Return seven tensors: the weighted update gate is the fourth."""
        att = tf.reshape(weight_att, tf.stack([tf.shape(x)[0], tf.shape(x)[1], 1]))
        found = self._computed(x, seq_length, init_h, lambda at, z: (1 - att[at]) * z)
        return [*found[:3], found[2], *found[3:]]


def _last_two(state: Any) -> Any:
    """Return a state [1, batch, hidden] without its first dimension."""
    return state[0] if state.shape.ndims == 3 else state


def _reversed(x: Any, lengths: Any) -> Any:
    if lengths is None:
        return tf.reverse(x, [0])
    return tf.reverse_sequence(x, lengths, seq_axis=0, batch_axis=1)


def _within(at: Any, lengths: Any, found: List[Any], state: List[Any]) -> List[Any]:
    """Return what a step found, where it is in its sequence; else what was before."""
    inside = tf.expand_dims(at < lengths, 1)
    return [tf.where(tf.broadcast_to(inside, tf.shape(new)), new, old)
            for new, old in zip(found, state)]  # fmt: skip


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
