"""What TensorFlow refuses of a person's step, in words."""

from __future__ import annotations

import contextlib
from typing import Any, Iterator, Mapping

from lenet_exp import tf_compat
from lenet_exp.errors import GraphError

COPIES = EXACT, EMULATED, ALONE = "exact", "emulated", "alone"  # of a person's nodes, see `copies`
_OTHERS = "other values in feeds=, another checkpoint=, or a graph that this TensorFlow runs"
_FRAMES = ("Graph execution error", "Detected at", "Node:", "[[", "Original stack")
_LONGEST = 300  # letters of what TensorFlow says


@contextlib.contextmanager
def in_words() -> Iterator[None]:
    """Raise what TensorFlow refuses as a GraphError: around its own calls alone.

    Raises:
        GraphError: with the node, where TensorFlow names it.
    """
    tf = tf_compat.load()
    try:
        yield
    except (tf.errors.OpError, ValueError, TypeError) as error:
        node = getattr(error, "node_def", None)
        scope, slash, name = ("" if node is None else node.name).partition("/")
        owner = name if scope in COPIES else scope + slash + name
        problem = f"TensorFlow refuses it: {_said(error)}"
        raise GraphError(owner or "the graph", problem, _OTHERS) from error


def imported(graph_def: Any) -> None:
    """Import nodes that are nobody else's, their placeholders as ones of any shape.

    In a branch that no step of these shapes takes they may be impossible.
    """
    for node in graph_def.node:
        if node.op == "Placeholder":
            node.attr.pop("shape", None)
    tf_compat.load().import_graph_def(graph_def, name="")


def computed(session: Any, fetches: Any, fed: Mapping[Any, Any]) -> Any:
    """Return what a session computes; what is fed by a name that its graph lacks is left out.

    A planned graph has no more what only a metric took, or what only gave a shape.

    Raises:
        GraphError: TensorFlow refuses.
    """
    known = {key: value for key, value in fed.items() if _is_there(session.graph, key)}
    with in_words():
        return session.run(fetches, known)


def _is_there(graph: Any, key: Any) -> bool:
    try:
        return graph.as_graph_element(key) is not None
    except KeyError:
        return False


def _said(error: Exception) -> str:
    """Return the line of a report that says what is wrong."""
    text = str(getattr(error, "message", error))
    lines = [line.strip() for line in text.splitlines()]
    said = [line for line in lines if line and not line.startswith(_FRAMES)]
    first = said[0] if said else type(error).__name__
    return first.partition(" [[")[0].partition(" in binary running on")[0][:_LONGEST]
