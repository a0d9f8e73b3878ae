"""Which part of a training step an operator is: forward, backward or update."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Set

from lenet_exp.precision.ir.graph import Graph, in_order, read_graph

FORWARD, BACKWARD, UPDATE = "forward", "backward", "update"
SECTIONS = (FORWARD, BACKWARD, UPDATE)

# The scope that tf.gradients opens.
_GRADIENTS = re.compile(r"(?:^|/)gradients(?:_\d+)?/")


def sections(graph_def: Any) -> Dict[str, str]:
    """Return the section of every node.

    Backward is what `tf.gradients` made, known by its scope; update what comes after that, by
    data or order, and what is only computed for it; everything else is forward.
    """
    graph = read_graph(graph_def)
    backward = {name for name in graph.nodes if _GRADIENTS.search(name)}
    after = _after(graph, backward) - backward
    consumers: Dict[str, Set[str]] = {}
    for name, inputs in graph.data.items():
        for tensor in inputs:
            consumers.setdefault(tensor.node, set()).add(name)
    found = {}
    for name in graph.nodes:
        section = BACKWARD if name in backward else UPDATE if name in after else FORWARD
        found[name] = section
    _only_for_the_update(graph, found, consumers)
    return found


def _after(graph: Graph, begin: Set[str]) -> Set[str]:
    followers: Dict[str, List[str]] = {}
    for name in graph.nodes:
        for producer in (*(t.node for t in graph.data[name]), *graph.control[name]):
            followers.setdefault(producer, []).append(name)
    found: Set[str] = set()
    stack = list(begin)
    while stack:
        for name in followers.get(stack.pop(), ()):
            if name not in found:
                found.add(name)
                stack.append(name)
    return found


def _only_for_the_update(
    graph: Graph, found: Dict[str, str], consumers: Dict[str, Set[str]]
) -> None:
    """Move what only an update consumes, such as the inverse of the loss scale, to it."""
    for name in reversed(list(in_order(graph))):
        users = consumers.get(name, ())
        if users and found[name] == FORWARD and all(found[user] == UPDATE for user in users):
            found[name] = UPDATE


def section_of(name: str, known: Dict[str, str]) -> str:
    """Return the section of an operator; one in a function's body has that of the call."""
    while name not in known and "/" in name:
        name = name.rpartition("/")[0]
    return known.get(name, FORWARD)
