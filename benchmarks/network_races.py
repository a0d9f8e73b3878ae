"""Variables that a training graph itself reads and writes in no order within one run.

What such a step leaves depends on the order in which a session happens to run it, so that two
graphs of the same meaning may well differ. TensorFlow 1 makes this easy: a read of a reference
variable is its buffer, not a copy (BERT's learning rate reads the step that the same run counts).
"""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Mapping, Sequence, Set

ALIASES = ("Identity",)  # of a reference: the same buffer
WRITES = ("Assign", "Apply", "ResourceApply", "ResourceScatter", "Scatter", "SparseApply")
VARIABLES = ("Variable", "VariableV2", "VarHandleOp")
KEPT_APART = ("IsVariableInitialized", "VarIsInitializedOp")


def races(graph_def: Any, fetches: Sequence[str]) -> List[str]:
    """Return what each fetched operation, in a run of its own, reads and writes in no order."""
    inputs = {node.name: [_node(text) for text in node.input] for node in graph_def.node}
    consumers: Dict[str, List[Any]] = {}
    for node in graph_def.node:
        for text in node.input:
            if not text.startswith("^"):
                consumers.setdefault(_node(text), []).append(node)
    found: List[str] = []
    for fetch in fetches:
        needed = _before(_node(fetch), inputs)
        for node in graph_def.node:
            if node.op in VARIABLES and node.name in needed:
                found += _of_variable(node.name, consumers, inputs, needed)
    return list(dict.fromkeys(found))


def _of_variable(
    name: str, consumers: Mapping[str, List[Any]], inputs: Mapping[str, List[str]], needed: Set[str]
) -> Iterator[str]:
    users = [node for node in _users(name, consumers) if node.name in needed]
    before = {node.name: _before(node.name, inputs) for node in users if _writes(node, name)}
    for writer, earlier in before.items():
        for node in users:
            other = node.name
            if other == writer or other in earlier or writer in _before(other, inputs):
                continue
            yield f"{name}: {other} and {writer}"
            return


def _users(name: str, consumers: Mapping[str, List[Any]]) -> Iterator[Any]:
    for node in consumers.get(name, ()):
        if node.op in ALIASES:
            yield from _users(node.name, consumers)
        elif node.op not in KEPT_APART:
            yield node


def _writes(node: Any, name: str) -> bool:
    return node.op.startswith(WRITES) and name in [_node(text) for text in node.input]


def _before(name: str, inputs: Mapping[str, List[str]]) -> Set[str]:
    """Return what a node waits for, itself included."""
    seen, waiting = {name}, [name]
    while waiting:
        for one in inputs.get(waiting.pop(), ()):
            if one not in seen:
                seen.add(one)
                waiting.append(one)
    return seen


def _node(text: str) -> str:
    return text.lstrip("^").split(":")[0]
