"""Functions of a GraphDef's library: made of NodeDefs, called by a branch, read as graphs.

Source of what is called by what: precision-modes.md 6.7.
"""

from __future__ import annotations

import hashlib
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

from lenet_exp import tf_compat
from lenet_exp.precision.ir.builder import Nodes, copied, data_inputs, set_inputs
from lenet_exp.precision.ir.graph import Graph, graph_of
from lenet_exp.precision.ir.names import is_control, node_of, slot_of
from lenet_exp.precision.ir.op_defs import HANDLE, output_offsets
from lenet_exp.precision.ir.op_traits import CALLS, CONDITIONAL_CALLS, writes


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
    made = tf_compat.load().GraphDef().library.function.add()
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
        set_inputs(copy, [_inner(text, nodes, renamed) for text in node.input])
    for index, result in enumerate(results):
        entry = made.signature.output_arg.add(name=f"result_{index}")
        entry.type = result.dtype.as_datatype_enum
        made.ret[entry.name] = _inner(result.tensor, nodes, renamed)
    return made


def _inner(text: str, nodes: Dict[str, Any], renamed: Dict[str, str]) -> str:
    """Return a tensor's name as a function's body has it: node:output argument:index."""
    if text in renamed:
        return renamed[text]
    if is_control(text):
        return text
    node, place = node_of(text), slot_of(text)
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
    # Inlined: in a function's own graph TensorFlow would choose other kernels, with other sums.
    made.node.attr["_lower_using_switch_merge"].b = True
    made.node.attr["then_branch"].func.name = then.signature.name
    made.node.attr["else_branch"].func.name = other.signature.name
    return made.outputs(len(outputs))


def outside(body: Sequence[Any]) -> List[str]:
    """Return the tensors that `body` takes from nodes that are not in it, in order."""
    inside = {node.name for node in body}
    texts = (text for node in body for text in data_inputs(node.input))
    return list(dict.fromkeys(text for text in texts if node_of(text) not in inside))


class FunctionGraph(NamedTuple):
    """One function of a call as a graph, whose names begin with `label`: `owner/function`.

    `arguments` are the nodes that stand for the call's inputs, `results` the nodes that stand
    for its outputs.
    """

    label: str
    graph: Graph
    arguments: Tuple[str, ...]
    results: Tuple[str, ...]

    @property
    def fetched(self) -> Tuple[str, ...]:
        """What of the function must survive: its results and what it writes."""
        writers = (name for name, node in self.graph.nodes.items() if writes(node))
        return (*self.results, *writers)


# Which attributes name the functions, in the order of their visit. A While's outputs are its
# body's, so the body comes first.
_FUNCTIONS = {
    **dict.fromkeys(("If", "StatelessIf"), ("then_branch", "else_branch")),
    **dict.fromkeys(("While", "StatelessWhile"), ("body", "cond")),
    **dict.fromkeys(("PartitionedCall", "StatefulPartitionedCall"), ("f",)),
}


def calls(graph: Graph, name: str) -> bool:
    """Return whether a node calls functions of the graph's library."""
    op = graph.nodes[name].op
    return op in CALLS or op in graph.library


def leading_inputs(tf_type: str) -> int:
    """Return how many of a call's inputs are not handed to its functions."""
    return 1 if tf_type in CONDITIONAL_CALLS else 0


def called_functions(graph: Graph, name: str, dtypes: Sequence[str] = ()) -> List[FunctionGraph]:
    """Return the functions a node calls, those that the library has.

    `dtypes` are those of the inputs handed to them, in the graph; of a handle its variable's.
    """
    node = graph.nodes[name]
    called = (
        [node.attr[key].func.name for key in _FUNCTIONS[node.op] if key in node.attr]
        if node.op in CALLS
        else [node.op]
    )
    return [
        _graph_of_function(graph, f"{name}/{function}", graph.library[function], dtypes)
        for function in called
        if function in graph.library
    ]


def _graph_of_function(
    graph: Graph, prefix: str, function: Any, dtypes: Sequence[str]
) -> FunctionGraph:
    tf = tf_compat.load()
    signature, inner = function.signature, {node.name: node for node in function.node_def}
    where = {arg.name: f"{prefix}/{arg.name}" for arg in signature.input_arg}
    nodes, results = [], []
    for place, arg in enumerate(signature.input_arg):
        made = tf.NodeDef(name=where[arg.name], op="_Arg")
        made.attr["T"].type = arg.type
        if arg.type == tf.resource.as_datatype_enum and place < len(dtypes):
            made.attr[HANDLE].type = tf.as_dtype(dtypes[place]).as_datatype_enum
        nodes.append(made)
    for node in function.node_def:
        made = copied(node)
        made.name = f"{prefix}/{node.name}"
        set_inputs(made, [_outside(text, prefix, where, inner, graph) for text in node.input])
        nodes.append(made)
    for arg in signature.output_arg:
        made = tf.NodeDef(name=f"{prefix}/{arg.name}__result", op="_Retval")
        made.attr["T"].type = arg.type
        made.input.append(_outside(function.ret[arg.name], prefix, where, inner, graph))
        nodes.append(made)
        results.append(made.name)
    read = graph_of(nodes, graph.library)
    return FunctionGraph(prefix, read, tuple(where.values()), tuple(results))


def _outside(
    text: str, prefix: str, where: Dict[str, str], inner: Dict[str, Any], graph: Graph
) -> str:
    """Turn a function's "node:output:index" into a graph's "node:slot"."""
    if is_control(text):
        return f"^{prefix}/{text[1:]}"
    name, *rest = text.split(":")
    if name in where:
        return where[name]
    begins = output_offsets(inner[name], graph.library) if len(rest) > 1 else {}
    offset = begins.get(rest[0], 0) if rest else 0
    return f"{prefix}/{name}:{offset + int(rest[-1] if rest else 0)}"
