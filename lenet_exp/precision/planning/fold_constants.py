"""Constant folding: what Grappler and the compiler compute before types are chosen.

Source: precision-modes.md 7. Everything that depends only on constants and static shapes
becomes a constant, computed in the graph's own types by TensorFlow on the CPU.
"""

from __future__ import annotations

from typing import Any, Dict, FrozenSet, Iterable, List, Mapping, NamedTuple, Sequence, Set, Tuple

from lenet_exp import tf_compat
from lenet_exp.precision.analysis.dtypes import attribute
from lenet_exp.precision.analysis.shapes import Shape, copy_attributes, static_shapes
from lenet_exp.precision.ir.graph import CALLS, CONTROL_FLOW, DATA, Graph, in_order, stand_in
from lenet_exp.precision.plan import Tensor

_NEVER = CONTROL_FLOW | CALLS
_OF_SHAPES = frozenset(("Shape", "ShapeN", "Size", "Rank"))
_FOLDABLE_TYPES = frozenset(
    ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
    + ("float16", "float32", "float64")
)


class Folded(NamedTuple):
    """`values`: the array of every constant tensor that something else consumes or fetches.

    `nodes`: all nodes that went into constants, the constants of the graph excepted.
    """

    values: Mapping[Tensor, Any]
    nodes: FrozenSet[str]


def fold(graph: Graph, types: Mapping[str, Tuple[str, ...]], fetched: Sequence[str]) -> Folded:
    """Return what of a graph becomes constant; control edges play no part."""
    order = list(in_order(graph))
    shape_inputs = {
        tensor
        for name in order
        if graph.nodes[name].op in _OF_SHAPES
        for tensor in graph.data[name]
    }
    shapes = static_shapes(graph, types, sorted(shape_inputs)) if shape_inputs else {}
    # A fetched node keeps its name, and one Const has one output.
    several = {name for name in fetched if len(types[name]) > 1}
    constant = _constant_nodes(graph, types, [n for n in order if n not in several], shapes)
    made = {name for name in constant if graph.nodes[name].op != "Const"}
    frontier = _frontier(graph, made, set(fetched))
    return Folded(_values(graph, shapes, constant, frontier), frozenset(made))


def _constant_nodes(
    graph: Graph,
    types: Mapping[str, Tuple[str, ...]],
    order: Iterable[str],
    shapes: Mapping[Tensor, Shape],
) -> Dict[str, None]:
    constant: Dict[str, None] = {}
    for name in order:
        node = graph.nodes[name]
        if node.op in _OF_SHAPES:
            known = all(shapes[tensor] is not None for tensor in graph.data[name])
        else:
            known = _foldable(node, types[name], len(graph.data[name])) and all(
                tensor.node in constant for tensor in graph.data[name]
            )
        if known:
            constant[name] = None
    return constant


def _foldable(node: Any, types: Tuple[str, ...], inputs: int) -> bool:
    if node.op == "Const":
        return True
    # Data is what a run feeds, a default of its own or not.
    if not inputs or stand_in(node) or node.op in _NEVER | DATA:
        return False
    definition = tf_compat.op_def(node.op)
    if definition is None or definition.is_stateful:
        return False
    refs = any(arg.is_ref for arg in (*definition.input_arg, *definition.output_arg))
    return not refs and bool(types) and set(types) <= _FOLDABLE_TYPES


def _frontier(
    graph: Graph,
    made: Set[str],
    fetched: Set[str],
) -> List[Tensor]:
    found: Dict[Tensor, None] = {}
    for name in graph.nodes:
        if name in made and name in fetched:
            found[Tensor(name, 0)] = None
        if name not in made:
            found.update((t, None) for t in graph.data[name] if t.node in made)
    return list(found)


def _values(
    graph: Graph,
    shapes: Mapping[Tensor, Shape],
    constant: Mapping[str, None],
    frontier: List[Tensor],
) -> Dict[Tensor, Any]:
    """Return the frontier's arrays; those of shapes need no session."""
    tf = tf_compat.load()
    direct = {t: _of_shape(graph, t, shapes) for t in frontier if _is_shape(graph, t)}
    rest = [tensor for tensor in frontier if tensor not in direct]
    if not rest:
        return direct
    with tf.Graph().as_default() as scratch:
        tf.import_graph_def(_computation(graph, shapes, constant, rest), name="")
        tensors = [scratch.get_tensor_by_name(str(tensor)) for tensor in rest]
        # No second folding. A number of threads would be that of all later sessions; none is
        # all cores, so that a run settles on its own before.
        config = tf.ConfigProto()
        config.graph_options.optimizer_options.opt_level = -1
        config.graph_options.rewrite_options.disable_meta_optimizer = True
        tf_compat.keep_on_host(config)
        with tf.Session(graph=scratch, config=config) as session:
            direct.update(zip(rest, session.run(tensors)))
    return direct


def _is_shape(graph: Graph, tensor: Tensor) -> bool:
    return graph.nodes[tensor.node].op in _OF_SHAPES


def _of_shape(graph: Graph, tensor: Tensor, shapes: Mapping[Tensor, Shape]) -> Any:
    import numpy as np  # noqa: PLC0415 - TensorFlow has it loaded by now

    node = graph.nodes[tensor.node]
    shape = shapes[graph.data[tensor.node][tensor.slot if node.op == "ShapeN" else 0]] or ()
    dtype = np.int32
    if node.op != "Rank":
        dtype = tf_compat.load().as_dtype(attribute(node, "out_type").type).as_numpy_dtype
    value: Any = {"Rank": len(shape), "Size": _product(shape)}.get(node.op, shape)
    return np.array(value, dtype)


def _product(shape: Tuple[int, ...]) -> int:
    product = 1
    for size in shape:
        product *= size
    return product


def _computation(
    graph: Graph,
    shapes: Mapping[Tensor, Shape],
    constant: Mapping[str, None],
    asked: List[Tensor],
) -> Any:
    """Return the GraphDef that computes the tensors asked for, from constants alone."""
    made = tf_compat.load().GraphDef()
    made.versions.producer = 27
    wanted = {tensor.node for tensor in asked}
    for name in reversed(list(constant)):
        if name not in wanted:
            continue
        node = graph.nodes[name]
        if node.op in _OF_SHAPES:
            for slot in range(len(graph.data[name])):
                _add_shape(made, graph, Tensor(name, slot), shapes)
            continue
        copy = made.node.add(name=name, op=node.op)
        for tensor in graph.data[name]:
            wanted.add(tensor.node)
            copy.input.append(_scratch_name(graph, tensor))
        copy_attributes(node, copy)
    return made


def _scratch_name(graph: Graph, tensor: Tensor) -> str:
    several = graph.nodes[tensor.node].op == "ShapeN"
    return f"{tensor.node}__shape_{tensor.slot}" if several else str(tensor)


def _add_shape(made: Any, graph: Graph, tensor: Tensor, shapes: Mapping[Tensor, Shape]) -> None:
    name = _scratch_name(graph, tensor).split(":", maxsplit=1)[0]
    made.node.add().CopyFrom(const_node(name, _of_shape(graph, tensor, shapes)))


def const_node(name: str, value: Any) -> Any:
    """Return a Const NodeDef that holds an array."""
    tf = tf_compat.load()
    node = tf.NodeDef(name=name, op="Const")
    proto = tf.make_tensor_proto(value)
    node.attr["dtype"].type = proto.dtype
    node.attr["value"].tensor.CopyFrom(proto)
    return node
