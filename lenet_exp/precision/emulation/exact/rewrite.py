"""The nodes of a plan's graph, one by one, as float16 hardware would compute them.

A node whose output is float16 on the chip is renamed, and its name given to the last node of its
rounding: consumers, control edges and fetches stay as they are. Only edges on which the plan has
a Cast get another input.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import (
    Any,
    Dict,
    FrozenSet,
    Iterable,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

import numpy as np

from lenet_exp import tf_compat
from lenet_exp.precision.emulation.exact import rounding
from lenet_exp.precision.emulation.exact.arithmetic import Fast
from lenet_exp.precision.emulation.exact.vector_kernels import (
    SPECIAL,
    Arithmetic,
    tiled_bias,
)
from lenet_exp.precision.ir.builder import Nodes, copied, set_attribute
from lenet_exp.precision.ir.names import Tensor, node_of
from lenet_exp.precision.ir.op_defs import argument_types, attribute
from lenet_exp.precision.ir.op_traits import CONVOLUTIONS, EXACT
from lenet_exp.precision.plan import CastEdge, Operator, Plan

_HALF = 19  # DT_HALF


class Lookup(NamedTuple):
    """A plan by the names of its graph: rows by node, edges by (node, data input).

    `casts` are Casts to float16; `past` what an input reads where a pass removed the Casts in
    front of it; `removed` the graph's own Casts that don't round, with what they read instead.
    """

    plan: Plan
    nodes: Mapping[str, Any]
    rows: Mapping[str, Operator]
    casts: Mapping[Tuple[str, int], CastEdge]
    past: Mapping[Tuple[str, int], str]
    removed: Mapping[str, Optional[str]]


def look_up(plan: Plan) -> Lookup:
    """Return a plan's rows and Casts by where they are in its graph."""
    rows = {part: row for row in plan.operators for part in row.parts}
    casts = {
        (edge.port.node, edge.port.slot): edge
        for edge in plan.casts
        if edge.port is not None and edge.target == "float16" and not edge.removed
    }
    past = {
        (edge.port.node, edge.port.slot): _text(edge.reads)
        for edge in plan.casts
        if edge.port is not None and edge.removed and edge.reads is not None
    }
    removed = {
        cast.name: None if cast.reads is None else _text(cast.reads) for cast in plan.removed_casts
    }
    nodes = {node.name: node for node in plan.graph_def.node}
    return Lookup(plan, nodes, rows, casts, past, removed)


def _text(tensor: Tensor) -> str:
    return str(tensor) if tensor.slot else tensor.node


class Rewriter:
    """Appends rewritten nodes to the arithmetic's `nodes`."""

    def __init__(
        self,
        lookup: Lookup,
        arithmetic: Arithmetic,
        shortcuts: bool,
        shapes: Mapping[str, Sequence[int]] = MappingProxyType({}),
    ) -> None:
        """Round by `arithmetic`; `shortcuts`: not what only moves or chooses values.

        `shapes` of first outputs, by node, allow for faster forms.
        """
        self._lookup = lookup
        self._arithmetic = arithmetic
        self._nodes: Nodes = arithmetic.nodes
        self._shortcuts = shortcuts
        self._shapes = shapes
        self._rounded: Dict[str, str] = {}

    def rewrite(self, names: Iterable[str]) -> None:
        """Append these nodes of the plan's graph."""
        for name in names:
            self.node(self._lookup.nodes[name])

    def inputs(self, node: Any, later: FrozenSet[int] = frozenset()) -> List[str]:
        """Return a node's inputs, with those rounded on which the plan has a Cast to float16.

        Not those that whoever asks rounds `later`.
        """
        found = []
        for index, text in enumerate(node.input):
            edge = self._lookup.casts.get((node.name, index))
            text = self._lookup.past.get((node.name, index), text)
            whole = edge is None or index in later or takes_reference(node, index)
            if whole or edge is None or text.startswith("^"):
                found.append(text)
            else:
                found.append(self.rounded(text, edge))
        return found

    def unrounded(self, node: Any) -> FrozenSet[int]:
        """Return the inputs on which the plan has a Cast to float16 that the chip itself makes."""
        found = set()
        for index in range(len(node.input)):
            edge = self._lookup.casts.get((node.name, index))
            if edge is not None and not edge.on_host and not takes_reference(node, index):
                found.add(index)
        return frozenset(found)

    def rounded(self, tensor: str, edge: CastEdge) -> str:
        """Return a tensor rounded to float16 values; once for all its consumers."""
        if tensor not in self._rounded:
            name = f"{tensor.replace(':', '_')}/float16"
            self._rounded[tensor] = (
                self._on_host(edge, name)
                if edge.on_host
                else self._arithmetic.rounded(tensor, name)
            )
        return self._rounded[tensor]

    def _on_host(self, edge: CastEdge, name: str) -> str:
        """Convert a constant as the compiler does: no flag is set."""
        tf = tf_compat.load()
        node = self._lookup.nodes[edge.producer.node]
        value = tf.make_ndarray(node.attr["value"].tensor).astype(np.float32)
        value = rounding.round_array(value, self._arithmetic.flush)
        return self._nodes.add("Const", [], name, dtype=tf.float32, value=value)

    def node(self, node: Any) -> None:
        """Append one node, and what rounds it; the last of them has its name."""
        row = self._lookup.rows.get(node.name)
        inputs = self.inputs(node)
        slots = () if row is None else self._slots(row, node)
        if node.name in self._lookup.removed:
            instead, slots = self._lookup.removed[node.name], ()
            inputs = inputs if instead is None else [instead, *inputs[1:]]
        if not slots or row is None:
            self.append(node, inputs)
            return
        special = SPECIAL.get(row.ge_type)
        if special is not None:
            data = [text for text in inputs if not text.startswith("^")]
            special(self._arithmetic, node, data, node.name, self._lookup.plan.generation)
            named = next(n for n in reversed(self._nodes.made) if n.name == node.name)
            named.input.extend(text for text in inputs if text.startswith("^"))
            return
        fast = self._arithmetic
        if isinstance(fast, Fast) and self._tiles(fast, node, inputs):
            tiled_bias(fast, inputs[:2], self._shapes[node.name], node.name)
            self._nodes.made[-1].input.extend(inputs[2:])
            return
        wide = self.append(node, inputs, self._nodes.free(f"{node.name}/float32"))
        self._round_outputs(node, wide, slots)

    def _tiles(self, fast: Fast, node: Any, inputs: Sequence[str]) -> bool:
        """Return whether a BiasAdd's operands were rounded just before, and its shape is known.

        Not one after another: TensorFlow's optimizer would add up the two biases first.
        """
        return (
            node.op == "BiasAdd"
            and not self._is_bias_add(inputs[0])
            and len(self._shapes.get(node.name, ())) > 2
            and attribute(node, "data_format").s in (b"", b"NHWC")
            and fast.can_add(*inputs[:2])
        )

    def _is_bias_add(self, tensor: str) -> bool:
        node = self._lookup.nodes.get(node_of(tensor))
        return node is not None and node.op == "BiasAdd"

    def append(self, node: Any, inputs: List[str], name: Optional[str] = None) -> str:
        """Append a copy of a node with other inputs; return its name."""
        copy = widened(copied(node, name))
        del copy.input[:]
        copy.input.extend(inputs)
        self._nodes.made.append(copy)
        return str(copy.name)

    def _slots(self, row: Operator, node: Any) -> Tuple[int, ...]:
        """Return the outputs of a node that are rounded."""
        if row.unit == "none" or (self._shortcuts and moves(row, node)):
            return ()
        found = tuple(
            result.slot
            for result, dtype in zip(row.results, row.outputs)
            if result is not None and result.node == node.name and dtype == "float16"
        )
        inner = node.name == row.name and len(row.parts) > 1 and not found
        if inner and row.ge_type in CONVOLUTIONS and row.outputs[0] == "float16":
            return (0,)  # the sum is rounded before the bias is added, and again after (8.1)
        return found

    def _round_outputs(self, node: Any, wide: str, slots: Tuple[int, ...]) -> None:
        count = max(count_outputs(node), max(slots) + 1)
        if count == 1:
            self._arithmetic.rounded(wide, node.name, final=node.name)
            return
        tensors = [wide if slot == 0 else f"{wide}:{slot}" for slot in range(count)]
        types = output_dtypes(widened(copied(node)))
        for slot in slots:
            tensors[slot] = self._arithmetic.rounded(tensors[slot], f"{node.name}/output_{slot}")
        self._nodes.add("IdentityN", tensors, node.name, final=node.name, T=types)


def moves(row: Operator, node: Any) -> bool:
    """Return whether an operator only moves or chooses values."""
    if row.ge_type == "MaxPoolGrad":  # windows that don't overlap: nothing is added up
        sizes = zip(node.attr["ksize"].list.i, node.attr["strides"].list.i)
        return all(size <= step for size, step in sizes)
    return row.ge_type in EXACT


def takes_reference(node: Any, index: int) -> bool:
    """Return whether a data input is a variable itself, not its value."""
    definition = tf_compat.op_def(node.op)
    arguments = definition.input_arg if definition is not None else ()
    return index < len(arguments) and (
        arguments[index].is_ref or arguments[index].type == tf_compat.load().resource
    )


def count_outputs(node: Any) -> int:
    """Return how many outputs a node has."""
    return len(output_dtypes(node))


def output_dtypes(node: Any) -> List[Any]:
    """Return the DTypes of a node's outputs."""
    definition = tf_compat.op_def(node.op)
    names = argument_types(node, definition.output_arg) if definition is not None else ()
    return [tf_compat.load().as_dtype(name) for name in names]


def widened(node: Any) -> Any:
    """Turn a NodeDef's float16 into float32, in place, and drop what may be wrong afterwards."""
    tf = tf_compat.load()
    for key in ("_class", "_output_shapes"):
        if key in node.attr:
            del node.attr[key]
    for key in node.attr:
        attribute = node.attr[key]
        if attribute.type == _HALF:
            attribute.type = tf.float32.as_datatype_enum
        for place, kind in enumerate(attribute.list.type):
            if kind == _HALF:
                attribute.list.type[place] = tf.float32.as_datatype_enum
        if attribute.tensor.dtype == _HALF:
            set_attribute(node, key, tf.make_ndarray(attribute.tensor).astype(np.float32))
    return node
