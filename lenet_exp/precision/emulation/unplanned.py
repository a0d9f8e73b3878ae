"""What a plan doesn't speak of, such as initialisers and savers, beside the emulated nodes.

It keeps its types, so that a checkpoint is that of the graph: what crosses over is cast. Only who
takes a variable itself, which is float32 here, has float32 for float16, too.
"""

from __future__ import annotations

from typing import Any, Dict, List, Sequence

from lenet_exp.precision.emulation.exact.rewrite import (
    output_dtypes,
    takes_reference,
    widened,
    without_hints,
)
from lenet_exp.precision.ir.builder import Nodes, control_inputs, data_inputs, set_inputs
from lenet_exp.precision.ir.graph import reachable
from lenet_exp.precision.ir.names import node_of, slot_of, split
from lenet_exp.precision.ir.op_defs import attribute
from lenet_exp.precision.ir.op_traits import DATA, MERGES, VARIABLES


def unplanned(graph_def: Any, nodes: Nodes) -> List[Any]:
    """Return the nodes of a graph that the emulated `nodes` lack.

    Without those that take a value which the compiler folded away or left out, and without the
    shapes and places that the graph's writer gave them, which needn't fit any more.
    """
    before = {node.name: node.op for node in graph_def.node}
    now = {node.name: node.op for node in nodes.made}
    left = [node for node in graph_def.node if node.name not in now]
    gone = {name for name, op in now.items() if op == "NoOp" and before.get(name, op) != op}
    folded = {name for name, op in now.items() if op == "Const" and name in before}
    consumers: Dict[str, List[str]] = {}
    for node in left:
        for text in node.input:
            consumers.setdefault(node_of(text), []).append(node.name)
            if split(text)[2] and node_of(text) in folded:  # one output is left
                gone.add(node.name)
    gone |= reachable(gone, lambda name: consumers.get(name, ())).keys()
    kept = [without_hints(node) for node in left if node.name not in gone]
    return _Crossing(graph_def, nodes).joined(kept)


class _Crossing:
    """The casts between what is emulated and what is not."""

    def __init__(self, graph_def: Any, nodes: Nodes) -> None:
        self._nodes, self._half = nodes.scratch(), nodes.tf.float16
        self._graph = {node.name: node for node in graph_def.node}
        self._emulated = {node.name for node in nodes.made}
        self._cast: Dict[str, str] = {}

    def joined(self, left: Sequence[Any]) -> List[Any]:
        """Return nodes with the types that they have beside the emulated ones, and the casts."""
        made = [self._joined(node) for node in left]
        return [*made, *self._nodes.made]

    def _joined(self, node: Any) -> Any:
        held = self._holds(node)
        inputs = [
            text if takes_reference(node, index) else self._taken(text, held)
            for index, text in enumerate(data_inputs(node.input))
        ]
        joined = widened(node) if held else node
        set_inputs(joined, [*inputs, *(f"^{name}" for name in control_inputs(node.input))])
        return joined

    def _taken(self, text: str, wide: bool) -> str:
        """Return a tensor, cast if it is float16 in the graph and `wide` says otherwise of it."""
        if not self._is_half(text) or self._is_wide(text) is wide:
            return text
        if text not in self._cast:
            kinds = ("float16", "float32") if wide else ("float32", "float16")
            self._cast[text] = self._nodes.cast(text, *kinds, f"{node_of(text)}/crossing")
        return self._cast[text]

    def _is_half(self, text: str) -> bool:
        node = self._graph.get(node_of(text))
        kinds = [] if node is None else output_dtypes(node)
        return slot_of(text) < len(kinds) and kinds[slot_of(text)].base_dtype == self._half

    def _is_wide(self, text: str) -> bool:
        """Return whether a tensor that is float16 in the graph is float32 here."""
        node = self._graph[node_of(text)]
        if node.name in self._emulated:
            return node.op not in DATA
        return self._holds(node)

    def _holds(self, node: Any) -> bool:
        """Return whether a node takes a float16 variable itself, which is float32 here."""
        for index, text in enumerate(data_inputs(node.input)):
            if takes_reference(node, index):
                behind = [self._graph[name] for name in reachable([node_of(text)], self._given_on)]
                variable = next((each for each in behind if each.op in VARIABLES), None)
                if variable is not None and variable.name in self._emulated:
                    return bool(attribute(variable, "dtype").type == self._half.as_datatype_enum)
        return False

    def _given_on(self, name: str) -> List[str]:
        """Return the nodes whose variable a node gives on, as an Assign does; of a loop, both."""
        node = self._graph[name]
        data = data_inputs(node.input)
        return [node_of(text) for text in (data if node.op in MERGES else data[:1])]
