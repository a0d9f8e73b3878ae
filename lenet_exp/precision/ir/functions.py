"""Functions of a GraphDef's library: made of NodeDefs, called by a branch, read as graphs.

Source of what is called by what: precision-modes.md 6.7.
"""

from __future__ import annotations

import hashlib
from typing import Any, Dict, List, Mapping, NamedTuple, Sequence, Tuple

from lenet_exp import tf_compat
from lenet_exp.errors import GraphError
from lenet_exp.precision.ir.builder import Nodes, copied, data_inputs, set_inputs
from lenet_exp.precision.ir.graph import MOST_NODES, Graph, graph_of, topological_order
from lenet_exp.precision.ir.handles import variable_shape
from lenet_exp.precision.ir.names import Tensor, is_control, node_of, slot_of
from lenet_exp.precision.ir.op_defs import (
    HANDLE,
    HANDLE_SHAPE,
    IMPORTED,
    WRITTEN_SHAPES,
    argument_types,
    dtype_name,
    output_offsets,
)
from lenet_exp.precision.ir.op_traits import CALLS, CONDITIONAL_CALLS, writes

_DEEPEST = 50  # calls inside each other: each is several of Python's
_LONGEST_NAMES = 200_000_000  # characters: a function's nodes have their calls' names in front


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
    node, slot = node_of(text), slot_of(text)
    offsets = output_offsets(nodes[node])
    argument = max((a for a in offsets if offsets[a] <= slot), key=lambda a: offsets[a])
    return f"{node}:{argument}:{slot - offsets[argument]}"


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


def called_functions(graph: Graph, name: str, dtypes: Sequence[str]) -> List[FunctionGraph]:
    """Return the functions a node calls, those that the library has.

    `dtypes` are those of the inputs handed to them, in the graph; of a handle its variable's.

    Raises:
        GraphError: a function does not fit its call, or is no graph.
    """
    node = graph.nodes[name]
    handed = tuple(zip(graph.data[name][leading_inputs(node.op) :], dtypes))
    found = []
    for function in _names_called(node, graph.library):
        called = graph.library[function]
        _check_signature(node, called.signature, dtypes)
        found.append(_graph_of_function(graph, f"{name}/{function}", called, handed))
    return found


def _names_called(node: Any, library: Mapping[str, Any]) -> List[str]:
    called = (
        [node.attr[key].func.name for key in _FUNCTIONS[node.op] if key in node.attr]
        if node.op in CALLS
        else [node.op]
    )
    return [function for function in called if function in library]


def _check_signature(node: Any, signature: Any, dtypes: Sequence[str]) -> None:
    takes = [dtype_name(arg.type) for arg in signature.input_arg]
    fits = len(takes) == len(dtypes) and all(
        taken in (given, "resource") for taken, given in zip(takes, dtypes)
    )
    if not fits:
        problem = f"{signature.name} takes {takes}, and is called with {list(dtypes)}"
        raise GraphError(node.name, problem, IMPORTED)
    gives = [dtype_name(arg.type) for arg in signature.output_arg]
    if node.op not in CALLS:
        return
    wanted = list(argument_types(node, tf_compat.op_def(node.op).output_arg))
    predicate = "cond" in node.attr and node.attr["cond"].func.name == signature.name
    if gives != wanted and not (predicate and len(gives) == 1):
        problem = f"{signature.name} gives {gives}, and its call {wanted}"
        raise GraphError(node.name, problem, IMPORTED)


class _Inlined(NamedTuple):
    """A function with all that it calls: nodes, calls inside each other, characters of names."""

    nodes: int
    depth: int
    prefix: int


def check_calls(graph: Graph) -> None:
    """Refuse functions that call themselves, and what would be far larger once they are inlined.

    Raises:
        GraphError: so; or a library whose functions call each other too often or too deeply.
    """
    bodies = {
        name: [(node.name, _names_called(node, graph.library)) for node in function.node_def]
        for name, function in graph.library.items()
    }
    calls = {name: {each for _, called in body for each in called} for name, body in bodies.items()}
    sizes: Dict[str, _Inlined] = {}
    for name in topological_order(calls, "it calls itself, directly or by others"):
        sizes[name] = _inlined(bodies[name], sizes, len(graph.library[name].signature.input_arg))
    called = [(name, _names_called(node, graph.library)) for name, node in graph.nodes.items()]
    nodes, depth, prefix = _inlined(called, sizes, 0)
    if depth > _DEEPEST or nodes > MOST_NODES or nodes * prefix > _LONGEST_NAMES:
        problem = f"with its functions {depth} calls deep it has {nodes} nodes"
        remedy = f"at most {_DEEPEST} calls and {MOST_NODES} nodes, with shorter names"
        raise GraphError("the graph", problem, remedy)


def _inlined(
    body: Sequence[Tuple[str, Sequence[str]]], sizes: Mapping[str, _Inlined], arguments: int
) -> _Inlined:
    inner = [(name, each, sizes[each]) for name, called in body for each in called]
    return _Inlined(
        len(body) + 2 * arguments + sum(size.nodes for _, _, size in inner),
        max([1 + size.depth for _, _, size in inner], default=0),
        max([len(name) + len(each) + size.prefix for name, each, size in inner], default=0),
    )


def _graph_of_function(
    graph: Graph, prefix: str, function: Any, handed: Sequence[Tuple[Tensor, str]]
) -> FunctionGraph:
    tf = tf_compat.load()
    signature, inner = function.signature, {node.name: node for node in function.node_def}
    where = {arg.name: f"{prefix}/{arg.name}" for arg in signature.input_arg}
    nodes, results = [], []
    for index, arg in enumerate(signature.input_arg):
        made = tf.NodeDef(name=where[arg.name], op="_Arg")
        made.attr["T"].type = arg.type
        if arg.type == tf.resource.as_datatype_enum:
            variable, dtype = handed[index]
            made.attr[HANDLE].type = tf.as_dtype(dtype).as_datatype_enum
            shape = variable_shape(graph, variable)
            if shape is not None:
                made.attr[HANDLE_SHAPE].shape.CopyFrom(shape)
        if index in function.arg_attr and WRITTEN_SHAPES in function.arg_attr[index].attr:
            made.attr[WRITTEN_SHAPES].CopyFrom(function.arg_attr[index].attr[WRITTEN_SHAPES])
        nodes.append(made)
    body = _Body(prefix, where, inner, graph)
    for node in function.node_def:
        made = copied(node)
        made.name = f"{prefix}/{node.name}"
        set_inputs(made, [body.outside(text) for text in node.input])
        nodes.append(made)
    for arg in signature.output_arg:
        made = tf.NodeDef(name=f"{prefix}/{arg.name}__result", op="_Retval")
        made.attr["T"].type = arg.type
        made.input.append(body.result(arg.name, function.ret))
        nodes.append(made)
        results.append(made.name)
    read = graph_of(nodes, graph.library, graph.producer)
    return FunctionGraph(prefix, read, tuple(where.values()), tuple(results))


class _Body(NamedTuple):
    """A function's tensors, "node:output:index", as a graph's, "node:slot"."""

    prefix: str
    where: Mapping[str, str]
    inner: Mapping[str, Any]
    graph: Graph

    def result(self, name: str, returned: Mapping[str, str]) -> str:
        """Return the tensor that a result of the function is."""
        if name not in returned or is_control(returned[name]):
            raise GraphError(self.prefix, f"its result {name} is no tensor", IMPORTED)
        return self.outside(returned[name])

    def outside(self, text: str) -> str:
        """Return an input of a node of the function."""
        if is_control(text):
            return f"^{self.prefix}/{text[1:]}"
        name, *rest = text.split(":")
        index = rest[-1] if rest and rest[-1].isdecimal() else "0"
        known = name in self.where or name in self.inner
        if not known or len(rest) > 2 or len(index) > 6:
            problem = f'its input "{text}" is no tensor of the function'
            raise GraphError(self.prefix, problem, IMPORTED)
        if name in self.where:
            return self.where[name]
        begins = output_offsets(self.inner[name], self.graph.library) if len(rest) > 1 else {}
        offset = begins.get(rest[0], 0) if rest else 0
        return f"{self.prefix}/{name}:{offset + int(index)}"
