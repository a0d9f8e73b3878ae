"""The vendor's `util`: several steps a run, and marks on operators."""

from __future__ import annotations

from typing import Any, Dict, Sequence

import tensorflow.compat.v1 as tf

_NAMES = ("iterations_per_loop", "loop_cond", "zero", "one")
_values: Dict[str, Any] = {}


def check_positive_integer(value: Any, name: str) -> None:
    """Raise where a value is no whole number from 1 on."""
    if not isinstance(value, int):
        raise TypeError(f"{name} must be int, got {type(value)}")
    if value <= 0:
        raise ValueError(f"{name} must be positive, got {value}")


def create_or_get_var(name: str) -> Any:
    """Return the int64 variable of the loop that has a name, made once a graph."""
    collection = f"npu_runconfig_{name}"
    found = tf.get_collection(collection)
    if found:
        return found[0]
    with tf.variable_scope("npu_runconfig", reuse=tf.AUTO_REUSE):
        return tf.get_variable(
            name,
            shape=[],
            dtype=tf.int64,
            initializer=tf.zeros_initializer(),
            trainable=False,
            use_resource=True,
            collections=[collection, tf.GraphKeys.LOCAL_VARIABLES],
        )


class IterationPerLoop:
    """Makes the loop's variables, and fills them later: for graphs that are frozen between."""

    def create_iteration_per_loop_var(self, train_op: Any) -> Any:
        """Return the operation IterationOp, which does what `train_op` does."""
        if not isinstance(train_op, tf.Operation):
            raise ValueError(f"train_op is a {train_op.dtype.name}, it must be an Operation")
        self.create_variables()
        return tf.group(train_op, name="IterationOp")

    def create_variables(self) -> None:
        """Make the variables in the current graph."""
        self._variables = [create_or_get_var(name) for name in _NAMES]

    def load_iteration_per_loop_var(self, sess: Any, iterations_per_loop: int = 1) -> None:
        """Set how many steps a run makes."""
        check_positive_integer(iterations_per_loop, "iterations_per_loop")
        for variable, value in zip(self._variables, (iterations_per_loop - 1, 0, 0, 1)):
            variable.load(value, session=sess)


def set_iteration_per_loop(sess: Any, train_op: Any, iterations_per_loop: int = 1) -> Any:
    """Return an operation that makes so many steps a run; `train_op` itself for 1."""
    if not isinstance(train_op, tf.Operation):
        raise ValueError(f"train_op is a {train_op.dtype.name}, it must be an Operation")
    check_positive_integer(iterations_per_loop, "iterations_per_loop")
    if iterations_per_loop == 1:
        return train_op
    for name, value in zip(_NAMES, (iterations_per_loop - 1, 0, 0, 1)):
        create_or_get_var(name).load(value, session=sess)
    return tf.group(train_op, name="IterationOp")


def keep_tensors_dtypes(graph: Any, input_tensors: Sequence[str]) -> None:
    """Have what makes the named tensors keep its types."""
    if not isinstance(input_tensors, (tuple, list)):
        raise ValueError("input_tensors must be list or tuple.")
    for name in input_tensors:
        op = graph.get_tensor_by_name(name).op
        op._set_attr("_keep_dtype", tf.AttrValue(i=1))  # noqa: SLF001 - no public way


def variable_initializer_in_host(var_list: Any) -> Any:
    """Return what initialises some variables."""
    return tf.initializers.variables(var_list, name="var_in_host")


def set_graph_exec_config(fetch: Any, *_: Any, **__: Any) -> Any:
    """Return the fetch: shapes may change on a CPU as they like."""
    return fetch


def npu_compile(sess: Any, *fetches: Any) -> None:
    """Run some fetches once."""
    sess.run(fetches)


def get_ranksize() -> str:
    """Return "1"."""
    return "1"


def global_dict_init() -> None:
    """Forget what was set."""
    _values.clear()


def set_value(key: str, value: Any) -> None:
    """Keep a value."""
    _values[key] = value


def get_value(key: str, def_value: Any = None) -> Any:
    """Return a value that was set."""
    return _values.get(key, def_value)
