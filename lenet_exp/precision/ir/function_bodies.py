"""Functions called by If, While and PartitionedCall, as graphs of their own.

Source: precision-modes.md 6.7.
"""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

from lenet_exp import tf_compat
from lenet_exp.precision.analysis.dtypes import HANDLE, output_offsets
from lenet_exp.precision.ir.graph import CALLS, Graph, graph_of
from lenet_exp.precision.ir.graph import writes as node_writes
from lenet_exp.precision.plan import Tensor


class Body(NamedTuple):
    """One function of a call: its graph, whose names begin with `owner/function/`.

    `arguments` are the nodes that stand for the call's inputs, `results` the nodes that stand
    for its outputs.
    """

    label: str
    graph: Graph
    arguments: Tuple[str, ...]
    results: Tuple[str, ...]

    @property
    def fetched(self) -> Tuple[str, ...]:
        """What of the body must survive: its results and what it writes."""
        writers = (name for name, node in self.graph.nodes.items() if node_writes(node))
        return (*self.results, *writers)


# Which attributes name the functions, in the order of their visit. A While's outputs are its
# body's, so the body comes first.
_FUNCTIONS = {
    "If": ("then_branch", "else_branch"),
    "StatelessIf": ("then_branch", "else_branch"),
    "While": ("body", "cond"),
    "StatelessWhile": ("body", "cond"),
    "PartitionedCall": ("f",),
    "StatefulPartitionedCall": ("f",),
}


def calls(graph: Graph, name: str) -> bool:
    """Return whether a node calls functions of the graph's library."""
    op = graph.nodes[name].op
    return op in CALLS or op in graph.library


def leading_inputs(tf_type: str) -> int:
    """Return how many of a call's inputs are not handed to its functions."""
    return 1 if tf_type in ("If", "StatelessIf") else 0


def bodies(graph: Graph, name: str, dtypes: Sequence[str] = ()) -> List[Body]:
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
        _body(graph, f"{name}/{function}", graph.library[function], dtypes)
        for function in called
        if function in graph.library
    ]


def _body(graph: Graph, prefix: str, function: Any, dtypes: Sequence[str]) -> Body:
    tf = tf_compat.load()
    node_def = tf.NodeDef
    nodes = []
    where: Dict[str, str] = {}
    arguments = []
    for place, arg in enumerate(function.signature.input_arg):
        made = node_def(name=f"{prefix}/{arg.name}", op="_Arg")
        made.attr["T"].type = arg.type
        if arg.type == tf.resource.as_datatype_enum and place < len(dtypes):
            made.attr[HANDLE].type = tf.as_dtype(dtypes[place]).as_datatype_enum
        nodes.append(made)
        arguments.append(made.name)
        where[arg.name] = made.name
    inner = {node.name: node for node in function.node_def}
    for node in function.node_def:
        made = node_def()
        made.CopyFrom(node)
        made.name = f"{prefix}/{node.name}"
        del made.input[:]
        made.input.extend(_outside(text, prefix, where, inner, graph) for text in node.input)
        nodes.append(made)
    results = []
    for arg in function.signature.output_arg:
        made = node_def(name=f"{prefix}/{arg.name}__result", op="_Retval")
        made.attr["T"].type = arg.type
        made.input.append(_outside(function.ret[arg.name], prefix, where, inner, graph))
        nodes.append(made)
        results.append(made.name)
    return Body(prefix, graph_of(nodes, graph.library), tuple(arguments), tuple(results))


def _outside(
    text: str, prefix: str, where: Dict[str, str], inner: Dict[str, Any], graph: Graph
) -> str:
    """Turn a function's "node:output:index" into a graph's "node:slot"."""
    if text.startswith("^"):
        return f"^{prefix}/{text[1:]}"
    name, *rest = text.split(":")
    if name in where:
        return where[name]
    begins = output_offsets(inner[name], graph.library) if len(rest) > 1 else {}
    offset = begins.get(rest[0], 0) if rest else 0
    return f"{prefix}/{name}:{offset + int(rest[-1] if rest else 0)}"


def result_tensors(body: Body, graph: Graph) -> Tuple[Tensor, ...]:
    """Return the tensors that a body returns, in its prepared graph."""
    return tuple(graph.source(graph.data[name][0]) for name in body.results)
