"""The vendor's hooks, for the one process there is."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

import tensorflow.compat.v1 as tf

from lenet_exp.script.bridge import loops


class NpuEmptyHook(tf.train.SessionRunHook):  # type: ignore[misc]
    """Does nothing."""


class NPUBroadcastGlobalVariablesHook(NpuEmptyHook):
    """Would send the first process' variables to the others."""

    def __init__(self, root_rank: Any = None, index: Any = None) -> None:
        self._root_rank, self._index = root_rank, index


class NPUShutDownHook(NpuEmptyHook):
    """Would end the chip's use."""

    def __init__(self, scaffold: Any = None) -> None:
        self._scaffold = scaffold


class NPUCheckpointSaverHook(tf.train.CheckpointSaverHook):  # type: ignore[misc]
    """TensorFlow's own."""


class SetIterationsVarHook(tf.train.SessionRunHook):  # type: ignore[misc]
    """Sets how many steps a run makes, once there is a session."""

    def __init__(self, iterations_per_loop: int = 1) -> None:
        self._count = iterations_per_loop
        self._loop = loops.IterationPerLoop()

    def begin(self) -> None:
        """Make the variables."""
        self._loop.create_variables()

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Set them."""
        self._loop.load_iteration_per_loop_var(session, self._count)


class NPUOutputTensorHook(tf.train.LoggingTensorHook):  # type: ignore[misc]
    """Hands the values of tensors to a function, every so many runs and at the end."""

    def __init__(
        self,
        tensors: Optional[Dict[str, Any]],
        dependencies: Any = None,
        output_fn: Any = None,
        output_every_n_steps: int = 0,
    ) -> None:
        self._output_fn, self._every = output_fn, output_every_n_steps
        self._found: List[Any] = []
        self._runs = 0
        taken = dict(tensors or {})
        if dependencies is not None:
            several = isinstance(dependencies, (list, tuple))
            with tf.control_dependencies(dependencies if several else [dependencies]):
                taken = {name: tf.identity(value) for name, value in taken.items()}
        super().__init__(taken, every_n_iter=1 << 31)

    def before_run(self, run_context: Any) -> Any:
        """Ask for the tensors."""
        return tf.train.SessionRunArgs(self._current_tensors)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Keep their values."""
        self._found.append({tag: run_values.results[tag] for tag in self._tag_order})
        self._runs += 1
        if self._every and self._runs % self._every == 0:
            self._hand_over()

    def end(self, session: Any) -> None:
        """Hand over what is left."""
        self._hand_over()

    def _hand_over(self) -> None:
        if self._found and self._output_fn is not None:
            self._output_fn(self._found)
        self._found = []
