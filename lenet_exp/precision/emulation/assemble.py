"""The nodes of an emulation, with the rest of its graph -> a GraphDef."""

from __future__ import annotations

from typing import Any, List, Sequence

from lenet_exp import tf_compat
from lenet_exp.precision.emulation.exact.context import Context
from lenet_exp.precision.ir.names import node_of, split


def assemble(context: Context, graph_def: Any) -> Any:
    """Return what was made of `graph_def` as a GraphDef."""
    made = tf_compat.load().GraphDef()
    made.node.extend(context.nodes.made)
    made.node.extend(_unplanned(graph_def, context.nodes.made))
    made.library.CopyFrom(graph_def.library)
    have = {function.signature.name for function in made.library.function}
    functions = {function.signature.name: function for function in context.library}
    made.library.function.extend(f for name, f in functions.items() if name not in have)
    made.versions.CopyFrom(graph_def.versions)
    return made


def _unplanned(graph_def: Any, made: Sequence[Any]) -> List[Any]:
    """Return the nodes that a plan doesn't speak of, such as initialisers.

    Without those that take a value which the compiler folded away or left out.
    """
    left = {node.name: node for node in graph_def.node}
    there = {node.name for node in made}
    gone = {n.name for n in made if n.op == "NoOp" and n.name in left and left[n.name].op != "NoOp"}
    folded = {n.name for n in made if n.op == "Const" and n.name in left}  # one output is left
    kept = [
        node
        for node in graph_def.node
        if node.name not in there
        and not any(split(t)[2] and node_of(t) in folded for t in node.input)
    ]
    gone |= left.keys() - there - {node.name for node in kept}
    while True:
        alive = [node for node in kept if not any(node_of(t) in gone for t in node.input)]
        if len(alive) == len(kept):
            return kept
        gone |= {node.name for node in kept} - {node.name for node in alive}
        kept = alive
