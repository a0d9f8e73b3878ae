"""Variables that a training graph itself reads and writes in no order within one run.

What such a step leaves depends on the order in which a session happens to run it, so that two
graphs of the same meaning may well differ. TensorFlow 1 makes this easy: a read of a reference
variable is its buffer, not a copy (BERT's learning rate reads the step that the same run counts).
"""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Sequence, Set

ALIASES = ("Identity",)  # of a reference: the same buffer
WRITES = ("Assign", "Apply", "ResourceApply", "ResourceScatter", "Scatter", "SparseApply")
VARIABLES = ("Variable", "VariableV2", "VarHandleOp")
MAY_NOT_RUN = ("Switch", "RefSwitch", "Enter", "RefEnter")  # what is behind these
KEPT_APART = ("IsVariableInitialized", "VarIsInitializedOp")


class Race(NamedTuple):
    """A variable, what reads or writes it, and what writes it without waiting for that."""

    variable: str
    user: str
    writer: str

    def __str__(self) -> str:
        return f"{self.variable}: {self.user} and {self.writer}"


def races(graph_def: Any, fetches: Sequence[str]) -> List[Race]:
    """Return what each fetched operation, in a run of its own, reads and writes in no order."""
    return list(dict.fromkeys(_races(_inputs(graph_def), graph_def, fetches)))


def in_order(graph_def: Any, fetches: Sequence[str]) -> Any:
    """Return a copy of a graph in which each write waits for what it raced with before.

    Not for what stands in a branch or a loop, and needn't run.
    """
    made = type(graph_def)()
    made.CopyFrom(graph_def)
    nodes, inputs = {node.name: node for node in made.node}, _inputs(made)
    for race in _races(inputs, made, fetches):  # sees each edge as it is added
        if not any(nodes[each].op in MAY_NOT_RUN for each in _before(race.user, inputs)):
            nodes[race.writer].input.append(f"^{race.user}")
            inputs[race.writer].append(race.user)
    return made


def _inputs(graph_def: Any) -> Dict[str, List[str]]:
    return {node.name: [_node(text) for text in node.input] for node in graph_def.node}


def _races(
    inputs: Mapping[str, List[str]], graph_def: Any, fetches: Sequence[str]
) -> Iterator[Race]:
    consumers: Dict[str, List[Any]] = {}
    for node in graph_def.node:
        for text in node.input:
            if not text.startswith("^"):
                consumers.setdefault(_node(text), []).append(node)
    for fetch in fetches:
        needed = _before(_node(fetch), inputs)
        for node in graph_def.node:
            if node.op in VARIABLES and node.name in needed:
                users = [each for each in _users(node.name, consumers) if each.name in needed]
                yield from _of_variable(node.name, users, inputs)


def _of_variable(
    name: str, users: Sequence[Any], inputs: Mapping[str, List[str]]
) -> Iterator[Race]:
    for writer in [node.name for node in users if _writes(node, name)]:
        for user in [node.name for node in users if node.name != writer]:
            if user not in _before(writer, inputs) and writer not in _before(user, inputs):
                yield Race(name, user, writer)


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
