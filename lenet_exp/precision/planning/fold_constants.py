"""Constant folding: what Grappler and the compiler compute before types are chosen.

Source: precision-modes.md 7. Everything that depends only on constants and static shapes
becomes a constant, computed in the graph's own types by TensorFlow on the CPU.
"""

from __future__ import annotations

from typing import Any, Container, Dict, FrozenSet, Iterable, List, Mapping, NamedTuple, Set, Tuple

import numpy as np

from lenet_exp import tf_compat
from lenet_exp.precision.analysis.constants import UNKNOWN, growing, is_pure, largest_sizes
from lenet_exp.precision.analysis.dtypes import check_inputs, output_types
from lenet_exp.precision.analysis.scratch import RefusedError, Scratch
from lenet_exp.precision.analysis.shapes import Shape, elements, static_shapes
from lenet_exp.precision.ir.graph import Graph, in_order, reachable, rewired
from lenet_exp.precision.ir.names import Tensor
from lenet_exp.precision.ir.op_defs import argument_types, attribute, copy_attributes
from lenet_exp.precision.ir.op_traits import (
    BACK_EDGES,
    CONSTANTS,
    ENTERS,
    EXITS,
    LOOP_CONDITIONS,
    MERGES,
    OF_SHAPES,
    SWITCHES,
)
from lenet_exp.precision.planning.compilation import Compilation

_ROUNDS = 8  # of constants whose sizes only the values of other large ones tell
_SMALL = 2**17  # bytes of one constant
_WORTH = 2**25  # bytes of constants that any graph may have folded, besides its own size
_FOLDABLE_TYPES = frozenset(
    ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
    + ("float16", "float32", "float64")
)


def fold_constants(state: Compilation) -> Compilation:
    """Replace what depends only on constants and static shapes by constants.

    What TensorFlow can't compute, or what is larger than the graph itself, stays as it is.
    """
    nodes = state.graph.nodes.values()
    limits = _Limits(frozenset(), _WORTH + sum(node.ByteSize() for node in nodes))
    more, rounds = True, 0
    while more and rounds < _ROUNDS:
        state, limits, more = _attempt(state, limits)
        rounds += 1
    return state


class _Limits(NamedTuple):
    """What is left alone, because TensorFlow can't compute it, and bytes that may be computed."""

    left: FrozenSet[str]
    budget: int


def _attempt(state: Compilation, limits: _Limits) -> Tuple[Compilation, _Limits, bool]:
    """Return the graph with constants, what is left to do so, and whether to try once more."""
    try:
        made, spent, grown = _folded_once(state, limits)
    except RefusedError as refused:
        if refused.node is None or refused.node in limits.left:
            raise
        return state, limits._replace(left=limits.left | {refused.node}), True
    return made, limits._replace(budget=limits.budget - spent), grown


def _folded_once(state: Compilation, limits: _Limits) -> Tuple[Compilation, int, bool]:
    """Return the graph with constants, their bytes, and whether more may follow from them."""
    graph, fetched = state.graph, state.fetched
    types = output_types(graph, state.options.library)
    check_inputs(graph, types)
    order = list(in_order(graph))
    # A fetched node keeps its name, and one Const has one output.
    several = {name for name in fetched if len(types[name]) > 1}
    sizes = largest_sizes(graph, order)
    large = growing(sizes, graph.nodes)
    wanted = {t for name in order if graph.nodes[name].op in OF_SHAPES for t in graph.data[name]}
    wanted.update(Tensor(name, slot) for name in large for slot in range(len(types[name])))
    shapes = static_shapes(graph, types, sorted(wanted))
    constant = _constant_nodes(
        graph, types, [n for n in order if n not in several | limits.left], shapes
    )
    made = {name for name in constant if graph.nodes[name].op not in CONSTANTS}
    known = {name: _bytes(graph, types, shapes, sizes, name) for name in made}
    # What is small goes first, as long as more of it follows: a large one, which may take the whole
    # budget, never keeps a shape from being known.
    small = {name: size for name, size in known.items() if size <= _SMALL}
    made = _affordable(graph, order, small, limits.budget)
    postponed = bool(made) and len(small) < len(known)
    made = made or _affordable(graph, order, known, limits.budget)
    if not made:
        return state, 0, False
    dimensions = _dimensions(graph, made, types, shapes)
    kept = [name for name in constant if name in made or graph.nodes[name].op in CONSTANTS]
    values = _values(graph, dimensions, kept, _frontier(graph, made, set(fetched)))
    rest = sizes.keys() - kept
    folded = state._replace(graph=_with_constants(graph, values, made))
    spent = sum(known[name] for name in made)
    grown = bool(made & large.keys() and rest) or bool(made & _asked(graph, constant))
    return folded, spent, postponed or grown


def _asked(graph: Graph, constant: Container[str]) -> Set[str]:
    """Return the nodes whose shape is asked for and not known: it is once they are constants."""
    asking = (name for name, node in graph.nodes.items() if node.op in OF_SHAPES)
    return {t.node for name in asking if name not in constant for t in graph.data[name]}


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
            known = all(_fits(node, types[name][0], shapes[tensor]) for tensor in data)
        else:
            inputs = all(tensor.node in constant for tensor in data)
            known = inputs and _foldable(node, types[name], len(data))
        if known:
            constant[name] = None
    return constant


def _fits(node: Any, dtype: str, shape: Shape) -> bool:
    """Return whether what is asked of a shape is known, and a number of its type."""
    if shape is None or dtype not in ("int32", "int64"):
        return False
    largest = {"Size": elements(shape), "Rank": len(shape)}.get(node.op, max(shape, default=0))
    return bool(largest <= np.iinfo(dtype).max)


def _foldable(node: Any, types: Tuple[str, ...], inputs: int) -> bool:
    if node.op in CONSTANTS:
        return True
    return bool(inputs) and is_pure(node) and bool(types) and set(types) <= _FOLDABLE_TYPES


def _bytes(
    graph: Graph,
    types: Mapping[str, Tuple[str, ...]],
    shapes: Mapping[Tensor, Shape],
    sizes: Mapping[str, int],
    name: str,
) -> int:
    """Return how many bytes a constant has at most."""
    found = 0
    for slot, dtype in enumerate(types[name]):
        shape = shapes.get(Tensor(name, slot))
        count = sizes.get(name, UNKNOWN) if shape is None else elements(shape)
        found += count * int(tf_compat.load().as_dtype(dtype).size)
    return found


def _affordable(
    graph: Graph, order: Iterable[str], sizes: Mapping[str, int], budget: int
) -> Set[str]:
    """Return what can be computed, with all that it is made of, within the budget of bytes."""
    found: Set[str] = set()
    for name in order if sizes else ():
        if sizes.get(name, UNKNOWN) > budget:
            continue
        behind = [tensor.node for tensor in graph.data[name]]
        constant = (node in found or graph.nodes[node].op in CONSTANTS for node in behind)
        if graph.nodes[name].op in OF_SHAPES or all(constant):
            found.add(name)
            budget -= sizes[name]
    return found


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
    graph: Graph, dimensions: Mapping[Tensor, Any], constant: Iterable[str], frontier: List[Tensor]
) -> Dict[Tensor, Any]:
    """Return the frontier's arrays; those of shapes need no session."""
    found = {tensor: dimensions[tensor] for tensor in frontier if tensor in dimensions}
    rest = [tensor for tensor in frontier if tensor not in dimensions]
    if rest:
        made, names = _computation(graph, dimensions, constant, rest)
        found.update(zip(rest, made.computed([names[tensor] for tensor in rest])))
    return found


def _dimensions(
    graph: Graph,
    made: Set[str],
    types: Mapping[str, Tuple[str, ...]],
    shapes: Mapping[Tensor, Shape],
) -> Dict[Tensor, Any]:
    """Return the arrays of what is asked of shapes."""
    asking = [name for name in made if graph.nodes[name].op in OF_SHAPES]
    tensors = [Tensor(name, slot) for name in asking for slot in range(len(types[name]))]
    return {tensor: _of_shape(graph, tensor, shapes) for tensor in tensors}


def _of_shape(graph: Graph, tensor: Tensor, shapes: Mapping[Tensor, Shape]) -> Any:
    node = graph.nodes[tensor.node]
    shape = shapes[graph.data[tensor.node][tensor.slot if node.op == "ShapeN" else 0]] or ()
    dtype = np.int32
    if node.op != "Rank":
        dtype = tf_compat.load().as_dtype(attribute(node, "out_type").type).as_numpy_dtype
    scalars = {"Rank": len(shape), "Size": elements(shape)}
    return np.array(scalars.get(node.op, shape), dtype)


def _computation(
    graph: Graph, dimensions: Mapping[Tensor, Any], constant: Iterable[str], wanted: List[Tensor]
) -> Tuple[Scratch, Dict[Tensor, str]]:
    """Return what computes the tensors wanted, from constants alone, and their names in it."""
    made, names = Scratch(graph.producer), {}
    for tensor, value in dimensions.items():
        copy = made.add(tensor.node, "Const")
        _set_value(copy, value)
        names[tensor] = f"{copy.name}:0"
    needed = reachable(
        [tensor.node for tensor in wanted],
        lambda name: [tensor.node for tensor in graph.data[name] if tensor not in dimensions],
    )
    for name in constant:
        node = graph.nodes[name]
        if name in needed and node.op not in OF_SHAPES:
            copy = made.add(name, node.op)
            copy.input.extend(names[tensor] for tensor in graph.data[name])
            copy_attributes(node, copy)
            names.update((Tensor(name, slot), f"{copy.name}:{slot}") for slot in _outputs(node))
    return made, names


def _outputs(node: Any) -> range:
    return range(len(argument_types(node, tf_compat.op_def(node.op).output_arg)))


def _const(name: str, value: Any, control: Iterable[str]) -> Any:
    node = tf_compat.load().NodeDef(name=name, op="Const", input=[f"^{each}" for each in control])
    _set_value(node, value)
    return node


def _set_value(node: Any, value: Any) -> None:
    proto = tf_compat.load().make_tensor_proto(value)
    node.attr["dtype"].type = proto.dtype
    node.attr["value"].tensor.CopyFrom(proto)


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
    made = Graph.empty(graph.library, graph.producer)
    parts = _in_parts(graph)
    for name, node in graph.nodes.items():
        order = graph.control[name]
        if name in constants:
            order, gates = _order_of(graph, folded, name, parts)
            for gate, tensor in gates.items():
                made.put(gate, _gate(graph, gate, tensor), (tensor,), ())
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


def _order_of(
    graph: Graph, folded: Set[str], name: str, parts: Container[str]
) -> Tuple[Tuple[str, ...], Dict[str, Tensor]]:
    """Return what a constant waits for: to which branch or iteration it belongs.

    These are all control inputs that the folded nodes behind it had, and of what is folded for its
    shape alone what the shape is of; with the Identities, and their inputs, that this takes.
    """
    behind = reachable(
        [name], lambda name: (t.node for t in reversed(graph.data[name]) if name in folded)
    )
    found = dict.fromkeys(other for name in behind for other in graph.control[name])
    shaped = (t for name in behind if name in folded for t in graph.data[name])
    kept = [t for t in shaped if t.node in parts and t.node not in folded]
    # A Switch itself runs whichever of its outputs does: what waits for one takes that.
    gates = {_gate_name(graph, t): t for t in kept if graph.nodes[t.node].op in SWITCHES}
    found.update((t.node, None) for t in kept if graph.nodes[t.node].op not in SWITCHES)
    return (*found, *gates), gates


def _gate_name(graph: Graph, tensor: Tensor) -> str:
    name = f"{tensor.node}/taken_{tensor.slot}"
    while name in graph.nodes and graph.data[name] != (tensor,):
        name += "_"
    return name


def _gate(graph: Graph, name: str, tensor: Tensor) -> Any:
    node = tf_compat.load().NodeDef(name=name, op="Identity", input=[str(tensor)])
    node.attr["T"].CopyFrom(graph.nodes[tensor.node].attr["T"])
    return node


def _in_parts(graph: Graph) -> FrozenSet[str]:
    """Return the nodes in branches and loops but for constants, which may run once or never."""
    depth: Dict[str, int] = {}
    begins, ends = SWITCHES | ENTERS, MERGES | EXITS
    if not any(node.op in begins for node in graph.nodes.values()):
        return frozenset()
    for name in in_order(graph):
        op, before = graph.nodes[name].op, graph.producers(name)
        inside = max((depth.get(each, 0) for each in before), default=0)
        ops = {graph.nodes[each].op for each in before}
        of_loop = bool(ops & (LOOP_CONDITIONS | BACK_EDGES))
        counts = not of_loop or op in ENTERS | EXITS
        depth[name] = max(0, inside + counts * ((op in begins) - (op in ends)))
    return frozenset(n for n, d in depth.items() if d and graph.nodes[n].op not in CONSTANTS)
