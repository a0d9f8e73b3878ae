"""NodeDefs -> a function of a GraphDef's library, and the branch that calls one of two."""

from __future__ import annotations

import hashlib
from typing import Any, Dict, List, NamedTuple, Sequence

from lenet_exp import tf_compat
from lenet_exp.precision.analysis.dtypes import output_offsets
from lenet_exp.precision.ir.builder import Nodes, node_of


class Typed(NamedTuple):
    """A tensor's name in a GraphDef, and its DType."""

    tensor: str
    dtype: Any


def named(function: Any, what: str) -> Any:
    """Name a function by what is in it, so that graphs can be put together."""
    content = function.SerializeToString(deterministic=True)
    function.signature.name = f"emulation_{what}_{hashlib.sha256(content).hexdigest()[:16]}"
    return function


def function_of(arguments: Sequence[Typed], body: Sequence[Any], results: Sequence[Typed]) -> Any:
    """Return a FunctionDef without a name.

    Args:
        arguments: what `body` takes from outside, by the names it uses for it.
        body: NodeDefs.
        results: tensors of `body`.
    """
    made = _empty()
    renamed: Dict[str, str] = {}
    free = Nodes(node.name for node in body)
    for index, argument in enumerate(arguments):
        entry = made.signature.input_arg.add(name=free.free(f"argument_{index}"))
        entry.type = argument.dtype.as_datatype_enum
        renamed[argument.tensor] = entry.name
    nodes = {node.name: node for node in body}
    for node in body:
        copy = made.node_def.add()
        copy.CopyFrom(node)
        del copy.input[:]
        copy.input.extend(_inner(text, nodes, renamed) for text in node.input)
    for index, result in enumerate(results):
        entry = made.signature.output_arg.add(name=f"result_{index}")
        entry.type = result.dtype.as_datatype_enum
        made.ret[entry.name] = _inner(result.tensor, nodes, renamed)
    return made


def _empty() -> Any:
    library = tf_compat.load().GraphDef().library
    return library.function.add()


def _inner(text: str, nodes: Dict[str, Any], renamed: Dict[str, str]) -> str:
    """Return a tensor's name as a function's body has it: node:output argument:index."""
    if text in renamed:
        return renamed[text]
    if text.startswith("^"):
        return text
    node, _, slot = text.partition(":")
    place = int(slot or 0)
    offsets = output_offsets(nodes[node])
    argument = max((a for a in offsets if offsets[a] <= place), key=lambda a: offsets[a])
    return f"{node}:{argument}:{place - offsets[argument]}"


def branch(
    nodes: Nodes, condition: str, inputs: Sequence[Typed], functions: Sequence[Any], name: str
) -> List[str]:
    """Append If(condition, then, else) of `inputs`; return its outputs.

    `functions` are two FunctionDefs of the same signature.
    """
    then, other = functions
    outputs = [nodes.tf.as_dtype(argument.type) for argument in then.signature.output_arg]
    made = nodes.add(
        "StatelessIf",
        [condition, *(each.tensor for each in inputs)],
        name,
        Tcond=nodes.tf.bool,
        Tin=[each.dtype for each in inputs],
        Tout=outputs,
    )
    node = nodes.made[-1]
    # Inlined: in a function's own graph TensorFlow would choose other kernels, with other sums.
    node.attr["_lower_using_switch_merge"].b = True
    node.attr["then_branch"].func.name = then.signature.name
    node.attr["else_branch"].func.name = other.signature.name
    return [made if slot == 0 else f"{made}:{slot}" for slot in range(len(outputs))]


def outside(body: Sequence[Any]) -> List[str]:
    """Return the tensors that `body` takes from nodes that are not in it, in order."""
    inside = {node.name for node in body}
    found: Dict[str, None] = {}
    for node in body:
        for text in node.input:
            if not text.startswith("^") and node_of(text) not in inside:
                found[text] = None
    return list(found)
