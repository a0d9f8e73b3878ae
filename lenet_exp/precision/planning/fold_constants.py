"""Constant folding: what Grappler and the compiler compute before types are chosen.

Source: precision-modes.md 7. Everything that depends only on constants and static shapes
becomes a constant, computed in the graph's own types by TensorFlow on the CPU.
"""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Mapping, Set, Tuple

import numpy as np

from lenet_exp import tf_compat
from lenet_exp.precision.analysis.dtypes import output_types
from lenet_exp.precision.analysis.shapes import Shape, elements, static_shapes
from lenet_exp.precision.ir.graph import Graph, in_order, reachable, rewired
from lenet_exp.precision.ir.names import Tensor
from lenet_exp.precision.ir.op_defs import attribute, copy_attributes
from lenet_exp.precision.ir.op_traits import NEVER_FOLDED, OF_SHAPES, stand_in
from lenet_exp.precision.planning.compilation import Compilation

_FOLDABLE_TYPES = frozenset(
    ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
    + ("float16", "float32", "float64")
)


def fold_constants(state: Compilation) -> Compilation:
    """Replace what depends only on constants and static shapes by constants."""
    graph, fetched = state.graph, state.fetched
    types = output_types(graph, state.options.library)
    order = list(in_order(graph))
    shape_inputs = {
        tensor for name in order if graph.nodes[name].op in OF_SHAPES for tensor in graph.data[name]
    }
    shapes = static_shapes(graph, types, sorted(shape_inputs))
    # A fetched node keeps its name, and one Const has one output.
    several = {name for name in fetched if len(types[name]) > 1}
    constant = _constant_nodes(graph, types, [n for n in order if n not in several], shapes)
    made = {name for name in constant if graph.nodes[name].op != "Const"}
    if not made:
        return state
    sizes = {
        Tensor(name, slot): _of_shape(graph, Tensor(name, slot), shapes)
        for name in constant
        if graph.nodes[name].op in OF_SHAPES
        for slot in range(len(types[name]))
    }
    values = _values(graph, sizes, constant, _frontier(graph, made, set(fetched)))
    return state._replace(graph=_with_constants(graph, values, made))


def _constant_nodes(
    graph: Graph,
    types: Mapping[str, Tuple[str, ...]],
    order: Iterable[str],
    shapes: Mapping[Tensor, Shape],
) -> Dict[str, None]:
    """Return the nodes that are constant, in order; control edges play no part."""
    constant: Dict[str, None] = {}
    for name in order:
        node, data = graph.nodes[name], graph.data[name]
        if node.op in OF_SHAPES:
            known = all(shapes[tensor] is not None for tensor in data)
        else:
            inputs = all(tensor.node in constant for tensor in data)
            known = inputs and _foldable(node, types[name], len(data))
        if known:
            constant[name] = None
    return constant


def _foldable(node: Any, types: Tuple[str, ...], inputs: int) -> bool:
    if node.op == "Const":
        return True
    if not inputs or stand_in(node) or node.op in NEVER_FOLDED:
        return False
    definition = tf_compat.op_def(node.op)
    if definition is None or definition.is_stateful:
        return False
    refs = any(arg.is_ref for arg in (*definition.input_arg, *definition.output_arg))
    return not refs and bool(types) and set(types) <= _FOLDABLE_TYPES


def _frontier(graph: Graph, made: Set[str], fetched: Set[str]) -> List[Tensor]:
    """Return the constant tensors that something else consumes or fetches."""
    found: Dict[Tensor, None] = {}
    for name in graph.nodes:
        if name in made and name in fetched:
            found[Tensor(name, 0)] = None
        if name not in made:
            found.update((t, None) for t in graph.data[name] if t.node in made)
    return list(found)


def _values(
    graph: Graph, sizes: Mapping[Tensor, Any], constant: Iterable[str], frontier: List[Tensor]
) -> Dict[Tensor, Any]:
    """Return the frontier's arrays; those of shapes need no session."""
    tf = tf_compat.load()
    found = {tensor: sizes[tensor] for tensor in frontier if tensor in sizes}
    rest = [tensor for tensor in frontier if tensor not in sizes]
    if not rest:
        return found
    with tf.Graph().as_default() as scratch:
        tf.import_graph_def(_computation(graph, sizes, constant, rest), name="")
        tensors = [scratch.get_tensor_by_name(str(tensor)) for tensor in rest]
        # No second folding. A number of threads would be that of all later sessions; none is
        # all cores, so that a run settles on its own before.
        config = tf.ConfigProto()
        config.graph_options.optimizer_options.opt_level = -1
        config.graph_options.rewrite_options.disable_meta_optimizer = True
        tf_compat.keep_on_host(config)
        with tf.Session(graph=scratch, config=config) as session:
            found.update(zip(rest, session.run(tensors)))
    return found


def _of_shape(graph: Graph, tensor: Tensor, shapes: Mapping[Tensor, Shape]) -> Any:
    node = graph.nodes[tensor.node]
    shape = shapes[graph.data[tensor.node][tensor.slot if node.op == "ShapeN" else 0]] or ()
    dtype = np.int32
    if node.op != "Rank":
        dtype = tf_compat.load().as_dtype(attribute(node, "out_type").type).as_numpy_dtype
    scalars = {"Rank": len(shape), "Size": elements(shape)}
    return np.array(scalars.get(node.op, shape), dtype)


def _computation(
    graph: Graph, sizes: Mapping[Tensor, Any], constant: Iterable[str], wanted: List[Tensor]
) -> Any:
    """Return the GraphDef that computes the tensors wanted, from constants alone."""
    made = tf_compat.load().GraphDef()
    made.versions.producer = 27
    known = {tensor: f"{tensor.node}__shape_{tensor.slot}" for tensor in sizes}
    made.node.extend(_const(name, sizes[tensor]) for tensor, name in known.items())
    names = reachable(
        [tensor.node for tensor in wanted],
        lambda name: [tensor.node for tensor in graph.data[name] if tensor not in sizes],
    )
    for name in constant:
        if name in names:
            node = graph.nodes[name]
            copy = made.node.add(name=name, op=node.op)
            copy.input.extend(known.get(tensor, str(tensor)) for tensor in graph.data[name])
            copy_attributes(node, copy)
    return made


def _const(name: str, value: Any, control: Iterable[str] = ()) -> Any:
    proto = tf_compat.load().make_tensor_proto(value)
    node = tf_compat.load().NodeDef(name=name, op="Const", input=[f"^{each}" for each in control])
    node.attr["dtype"].type = proto.dtype
    node.attr["value"].tensor.CopyFrom(proto)
    return node


def _with_constants(graph: Graph, values: Mapping[Tensor, Any], folded: Set[str]) -> Graph:
    """Replace folded nodes by constants under their names; consumers of later outputs rewired.

    `values` are those that something else consumes or fetches.
    """
    renamed: Dict[Tensor, Tensor] = {}
    constants: Dict[str, Dict[str, Any]] = {}
    for tensor, value in values.items():
        name = tensor.node if tensor.slot == 0 else _free_name(graph, tensor)
        renamed[tensor] = Tensor(name, 0)
        constants.setdefault(tensor.node, {})[name] = value
    made = Graph({}, {}, {}, graph.library)
    for name, node in graph.nodes.items():
        order = _order_of(graph, folded, name) if name in constants else graph.control[name]
        own = constants.get(name, {})
        for constant, value in own.items():
            made.put(constant, _const(constant, value, order), (), order)
        if name not in folded:
            data = tuple(renamed.get(tensor, tensor) for tensor in graph.data[name])
            same = data == graph.data[name]
            made.put(name, node if same else rewired(node, data, order), data, order)
        elif name not in own:
            # Only folded nodes consumed it, but control edges may stay.
            no_op = tf_compat.load().NodeDef(name=name, op="NoOp")
            made.put(name, rewired(no_op, (), order), (), order)
    return made


def _free_name(graph: Graph, tensor: Tensor) -> str:
    name = f"{tensor.node}/folded_{tensor.slot}"
    while name in graph.nodes:
        name += "_"
    return name


def _order_of(graph: Graph, folded: Set[str], name: str) -> Tuple[str, ...]:
    """Return all control inputs that the folded nodes behind a constant had.

    In a cond or a loop they say to which branch or iteration the constant belongs.
    """
    behind = reachable(
        [name], lambda name: (t.node for t in reversed(graph.data[name]) if name in folded)
    )
    return tuple(dict.fromkeys(other for name in behind for other in graph.control[name]))
