"""The one place where TensorFlow reads or computes a part of somebody's graph.

In a scratch graph nodes have names of ours, so that any name will do; what TensorFlow refuses is
said in words and of the node itself.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import Any, Iterator, List, Optional, Tuple

from lenet_exp import tf_compat
from lenet_exp.errors import GraphError
from lenet_exp.precision.ir.op_defs import IMPORTED

_OURS = re.compile(r"(?:\{\{node )?\bscratch_(\d+)\b(?:\}\})?")


class RefusedError(GraphError):
    """TensorFlow can't read or compute a graph; `node` is the one it named, if it named one."""

    @property
    def node(self) -> Optional[str]:
        """The node's name."""
        return None if self.args[0] == "the graph" else str(self.args[0])


class Scratch:
    """A GraphDef that grows, for TensorFlow alone."""

    def __init__(self, producer: int) -> None:
        """Begin one for a graph that TensorFlow of version `producer` wrote."""
        self.graph_def = tf_compat.load().GraphDef()
        self.graph_def.versions.producer = producer
        self._owners: List[str] = []

    def add(self, owner: str, op: str) -> Any:
        """Append a NodeDef, with a name of ours, that stands for a part of the node `owner`."""
        self._owners.append(owner)
        return self.graph_def.node.add(name=f"scratch_{len(self._owners) - 1}", op=op)

    def imported(self) -> Any:
        """Return the tf.Graph of it.

        Raises:
            RefusedError: TensorFlow can't import it.
        """
        tf = tf_compat.load()
        with tf.Graph().as_default() as made, self._refusals():
            tf.import_graph_def(self.graph_def, name="")
        return made

    def computed(self, tensors: List[str]) -> List[Any]:
        """Return the arrays of some tensors, "node:slot".

        Raises:
            RefusedError: TensorFlow can't import or compute it.
        """
        tf, graph = tf_compat.load(), self.imported()
        # No second folding. A number of threads would be that of all later sessions; none is
        # all cores, so that a run settles on its own before. A GPU would be taken whole.
        config = tf.ConfigProto(device_count={"GPU": 0})
        config.graph_options.optimizer_options.opt_level = -1
        config.graph_options.rewrite_options.disable_meta_optimizer = True
        tf_compat.keep_on_host(config)
        kind = tf_compat.session_class()
        with self._refusals(), kind(graph=graph, config=config) as session:
            return list(session.run(tensors))

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """Only TensorFlow's own calls stand in here: a fault of ours stays a fault."""
        tf = tf_compat.load()
        refused: Tuple[Any, ...] = (ValueError, TypeError, KeyError, IndexError, OverflowError)
        try:
            yield
        except (*refused, RuntimeError, SystemError, MemoryError, tf.errors.OpError) as error:
            text = " ".join(str(error).split()) or type(error).__name__
            found = _OURS.search(text)
            owner = self._owners[int(found.group(1))] if found else "the graph"
            said = _OURS.sub("it", text.partition(" [[")[0])[:300]
            raise RefusedError(owner, f"TensorFlow can't make it: {said}", IMPORTED) from error
