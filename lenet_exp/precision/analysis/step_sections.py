"""Which part of a training step an operator is: forward, backward or update."""

from __future__ import annotations

import re
from typing import Any, Dict

from lenet_exp.precision.ir.graph import Graph, in_order, reachable, read_graph

FORWARD, BACKWARD, UPDATE = "forward", "backward", "update"
SECTIONS = (FORWARD, BACKWARD, UPDATE)

# The scope that tf.gradients opens.
_GRADIENTS = re.compile(r"(?:^|/)gradients(?:_\d+)?/")


def is_backward(name: str) -> bool:
    """Return whether `tf.gradients` made a node, by its scope."""
    return bool(_GRADIENTS.search(name))


def sections(graph_def: Any) -> Dict[str, str]:
    """Return the section of every node.

    Backward is what `tf.gradients` made, known by its scope; update what comes after that, by
    data or order, and what is only computed for it; everything else is forward.
    """
    graph = read_graph(graph_def)
    backward = {name for name in graph.nodes if is_backward(name)}
    behind = graph.consumers(by_order=True)
    after = reachable(backward, lambda name: behind.get(name, ()))
    found = {
        name: BACKWARD if name in backward else UPDATE if name in after else FORWARD
        for name in graph.nodes
    }
    _only_for_the_update(graph, found)
    return found


def _only_for_the_update(graph: Graph, found: Dict[str, str]) -> None:
    """Move what only an update consumes, such as the inverse of the loss scale, to it."""
    consumers = graph.consumers(by_order=False)
    for name in reversed(list(in_order(graph))):
        users = consumers.get(name)
        if users and found[name] == FORWARD and all(found[user] == UPDATE for user in users):
            found[name] = UPDATE


def section_of(name: str, known: Dict[str, str]) -> str:
    """Return the section of an operator; one in a function's body has that of the call."""
    while name not in known and "/" in name:
        name = name.rpartition("/")[0]
    return known.get(name, FORWARD)
