"""Sessions of anybody's training graph whose variables can be read and written."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Dict, List, Mapping, Optional, Sequence, Type

import numpy as np
from network_parts.feeds import Network

from lenet_exp import tf_compat
from lenet_exp.hardware import cpu

REFERENCES = ("Variable", "VariableV2")
RESOURCES = ("VarHandleOp",)


def variables_of(graph_def: Any) -> List[str]:
    """Return the names of a graph's variables."""
    return [node.name for node in graph_def.node if node.op in (*REFERENCES, *RESOURCES)]


def graph_of(graph_def: Any) -> Any:
    """Return the tf.Graph; whoever wrote a GraphDef that can't be imported, learns it here."""
    tf = tf_compat.load()
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_def, name="")
    return graph


def initial_values(network: Network, names: Sequence[str]) -> Dict[str, np.ndarray]:
    """Return what the graph's own initialisers give its variables.

    Raises:
        ValueError: nothing says how they begin.
    """
    tf, meta = tf_compat.load(), tf_compat.load().MetaGraphDef()
    meta.ParseFromString(network.path.read_bytes())
    for node in meta.graph_def.node:
        node.attr.pop("_output_shapes", None)  # some are wrong, and are believed
    with tf.Graph().as_default() as graph:
        tf.train.import_meta_graph(meta, clear_devices=True)
        init = network.init or tf.variables_initializer(tf.global_variables())
        local = tf.variables_initializer(tf.local_variables())
    with Variables(graph, names) as values:
        values.session.run(local)
        values.session.run(init)
        try:
            return values.read()
        except tf.errors.FailedPreconditionError as error:
            raise ValueError(f'no "init" in the JSON, and {error.message}') from error


class Variables:
    """A session of a graph on one thread, and its variables by name; used in a `with`."""

    def __init__(self, graph: Any, names: Sequence[str]) -> None:
        self._graph, self._names = graph, list(names)
        self._reads: List[Any] = []
        self._writes: Dict[str, Any] = {}
        self.session: Any = None
        tf = tf_compat.load()
        with graph.as_default():
            for name in names:
                handle = graph.get_operation_by_name(name).outputs[0]
                dtype = tf.as_dtype(handle.op.get_attr("dtype")).base_dtype
                feed = tf.placeholder(dtype)
                if handle.dtype == tf.resource:
                    read = tf.raw_ops.ReadVariableOp(resource=handle, dtype=dtype)
                    write = tf.raw_ops.AssignVariableOp(resource=handle, value=feed)
                else:
                    read = handle
                    write = tf.raw_ops.Assign(ref=handle, value=feed, validate_shape=False).op
                self._reads.append(read)
                self._writes[name] = (feed, write)

    def __enter__(self) -> Variables:
        self.session = cpu.open_session(self._graph, threads=1)
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.session.close()
        self.session = None

    def read(self) -> Dict[str, np.ndarray]:
        """Return copies of all values."""
        found = self.session.run(self._reads)
        return {name: np.array(value) for name, value in zip(self._names, found)}

    def write(self, values: Mapping[str, np.ndarray]) -> None:
        """Give variables new values, all in one run."""
        feeds = {self._writes[name][0]: value for name, value in values.items()}
        self.session.run([self._writes[name][1] for name in values], feeds)
