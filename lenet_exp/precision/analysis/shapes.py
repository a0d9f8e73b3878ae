"""Static shapes, by TensorFlow's own shape functions on a copy of the graph."""

from __future__ import annotations

import functools
from typing import Any, Container, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from lenet_exp import tf_compat
from lenet_exp.precision.analysis.constants import (
    SMALL,
    UNKNOWN,
    constant_size,
    growing,
    largest_of,
    largest_sizes,
)
from lenet_exp.precision.analysis.dtypes import output_types
from lenet_exp.precision.analysis.scratch import Scratch
from lenet_exp.precision.ir.graph import Graph, in_order, reachable
from lenet_exp.precision.ir.handles import is_handle, variable_shape
from lenet_exp.precision.ir.names import Tensor
from lenet_exp.precision.ir.op_defs import (
    KEPT_SHAPES,
    WRITTEN_SHAPES,
    argument_types,
    copy_attributes,
)
from lenet_exp.precision.ir.op_traits import (
    CALLS,
    CONSTANTS,
    CONTROL_FLOW,
    JOINS_AND_PARTS,
    OF_SHAPES,
    PAIRWISE,
)
from lenet_exp.precision.target.modes import Generation
from lenet_exp.precision.target.operator_library import load_library

Shape = Optional[Tuple[int, ...]]  # None unless every dimension is known

_LARGE = 100_000  # bytes: constants whose shape, not value, can matter to a shape function
_INDEXES = ("int32", "int64")  # what a shape can be given as
# The attributes of TensorFlow's operators that say the type of a shape, or of places in one.
_SHAPES = frozenset(
    ("Tshape", "Tmultiples", "Tpaddings", "Tperm", "Index", "Tidx", "Tdim", "Tblock_shape")
    + ("Tcrops", "index_type", "shape_type", "Tindices", "Tlen", "S")
)
_MOST_VALUES, _MOST_DIMENSIONS = 2**63, 254  # TensorFlow's own limits


def elements(shape: Iterable[int]) -> int:
    """Return how many values a tensor of this shape has."""
    product = 1
    for length in shape:
        product *= length
    return product


def all_shapes(graph: Graph, generation: Generation) -> Dict[Tensor, Shape]:
    """Return the shapes of every output of every node, as `static_shapes` does."""
    types = output_types(graph, load_library(None, generation))
    tensors = [Tensor(name, slot) for name, each in types.items() for slot in range(len(each))]
    return static_shapes(graph, types, tensors)


def static_shapes(
    graph: Graph, types: Mapping[str, Tuple[str, ...]], tensors: Iterable[Tensor]
) -> Dict[Tensor, Shape]:
    """Return the shapes of some tensors; None where a dimension is not known.

    `_output_shapes` of a node is believed; for the rest what is behind them is imported, with
    placeholders for operators that TensorFlow doesn't know. A constant that can be large is not
    computed for it, so a shape that depends on its values is not known.

    Raises:
        GraphError: TensorFlow can't import it.
    """
    found = {tensor: _written(graph.nodes[tensor.node], tensor.slot) for tensor in tensors}
    unwritten = [tensor for tensor, shape in found.items() if shape is None]
    return {**found, **_inferred(graph, types, unwritten)} if unwritten else found


def with_variables(graph: Graph, shapes: Mapping[Tensor, Shape]) -> Dict[Tensor, Shape]:
    """Return shapes where a handle has that of its variable, and not its own, a scalar's."""
    found = dict(shapes)
    for tensor in shapes:
        if is_handle(graph.nodes[tensor.node], tensor.slot):
            said = variable_shape(graph, tensor)
            found[tensor] = None if said is None else _static(said)
    return found


def _written(node: Any, slot: int) -> Shape:
    shape = _written_proto(node, slot)
    return None if shape is None else _static(shape)


def _written_proto(node: Any, slot: int) -> Any:
    """Return the TensorShapeProto that TensorFlow wrote of an output; None if it did not."""
    written = (node.attr[key] for key in (WRITTEN_SHAPES, KEPT_SHAPES) if key in node.attr)
    shapes = next((each.list.shape for each in written), ())
    fits = slot < len(shapes) and len(shapes[slot].dim) <= _MOST_DIMENSIONS
    return shapes[slot] if fits else None


def _static(proto: Any) -> Shape:
    shape = tuple(int(dim.size) for dim in proto.dim)
    known = not proto.unknown_rank and all(size >= 0 for size in shape)
    return shape if known and elements(shape) < _MOST_VALUES else None


def _inferred(
    graph: Graph, types: Mapping[str, Tuple[str, ...]], tensors: List[Tensor]
) -> Dict[Tensor, Shape]:
    behind = reachable([t.node for t in tensors], lambda name: [t.node for t in graph.data[name]])
    copy = _Copy(graph, types, behind)
    scratch = copy.made.imported()
    found = {}
    for tensor in tensors:
        shape = scratch.get_tensor_by_name(copy.own(tensor)).shape
        found[tensor] = tuple(shape.as_list()) if shape.is_fully_defined() else None
    return found


def _registered(node: Any) -> bool:
    # Names with an underscore are TensorFlow's own (_Arg) and refused in an import. What a call
    # gives is what `_output_shapes` says: functions are not imported.
    known = tf_compat.op_def(node.op) is not None
    return known and not node.op.startswith("_") and node.op not in CALLS


class _Copy:
    """A graph for shape inference: nothing in it but what TensorFlow knows, and nothing large."""

    def __init__(
        self, graph: Graph, types: Mapping[str, Tuple[str, ...]], behind: Container[str]
    ) -> None:
        self.made = Scratch(graph.producer)
        self._graph, self._types = graph, types
        self._first: Dict[str, str] = {}  # in the copy, by node
        self._others: Dict[Tensor, str] = {}  # where an output is not that node's
        order = [name for name in in_order(graph) if name in behind]
        self._hidden = growing(largest_sizes(graph, order), graph.nodes)
        longest = _longest(graph, types, order)
        self._long = {n for n in order if longest[n] > SMALL and n not in self._hidden}
        nodes = {name: self._declared(name) for name in graph.nodes if name in behind}
        for name, node in nodes.items():
            if node is not None:
                node.input.extend(self._inputs(name))

    def _inputs(self, name: str) -> List[str]:
        """Return what a node reads, without the length of what may be no shape but is one here."""
        node, made = self._graph.nodes[name], []
        for slot, tensor in enumerate(self._graph.data[name]):
            dtype = self._types[tensor.node][tensor.slot]
            long = tensor.node in self._long and dtype in _INDEXES
            if long and slot in _shape_inputs(node):
                made.append(f"{self._placeholder(tensor.node, dtype, None)}:0")
            else:
                made.append(self._value(tensor))
        return made

    def own(self, tensor: Tensor) -> str:
        """Return what has a tensor's own shape, as "node:slot"."""
        first = self._first.get(tensor.node)
        return self.stands_for(tensor) if first is None else f"{first}:{tensor.slot}"

    def stands_for(self, tensor: Tensor) -> str:
        """Return what consumers of a tensor read that is not hidden, as "node:slot"."""
        return self._others.get(tensor) or f"{self._first[tensor.node]}:{tensor.slot}"

    def _declared(self, name: str) -> Any:
        """Append what stands for a node; return it if it still lacks its inputs."""
        node, graph = self._graph.nodes[name], self._graph
        if not _registered(node):
            for slot, dtype in enumerate(self._types[name]):
                raw = "resource" if is_handle(node, slot) else dtype
                shape = _written_proto(node, slot)
                self._others[Tensor(name, slot)] = f"{self._placeholder(name, raw, shape)}:0"
            return None
        if node.op in CONSTANTS and _is_large(node, self._types[name][0]):
            shape = node.attr["value"].tensor.tensor_shape
            self._first[name] = self._placeholder(name, self._types[name][0], shape)
            return None
        copy = self.made.add(name, node.op)
        copy_attributes(node, copy)
        _blank_long_vectors(copy, self._types[name])
        self._first[name] = copy.name
        return copy if graph.data[name] else None

    def _placeholder(self, name: str, dtype: str, shape: Any) -> str:
        node = self.made.add(name, "Placeholder")
        node.attr["dtype"].type = tf_compat.load().as_dtype(dtype).as_datatype_enum
        if shape is None:
            node.attr["shape"].shape.unknown_rank = True
        else:
            node.attr["shape"].shape.CopyFrom(shape)
            _blank_long_vectors(node, (dtype,))
        return str(node.name)

    def _value(self, tensor: Tensor) -> str:
        """Return what consumers of a tensor read: its shape without its values, if it is large."""
        if tensor.node not in self._hidden:
            return self.stands_for(tensor)
        dtype = self._types[tensor.node][tensor.slot]
        if tensor not in self._others and dtype in _INDEXES:
            # It may be meant as a shape: of 2^40 dimensions TensorFlow 1.15 makes a list.
            self._others[tensor] = f"{self._placeholder(tensor.node, dtype, None)}:0"
        elif tensor not in self._others:
            # Print does something, so TensorFlow doesn't compute it; it has its input's shape.
            copy = self.made.add(tensor.node, "Print")
            copy.input.append(self.stands_for(tensor))
            copy.attr["T"].type = tf_compat.load().as_dtype(dtype).as_datatype_enum
            copy.attr["U"].list.SetInParent()
            self._others[tensor] = f"{copy.name}:0"
        return self._others[tensor]


def _longest(
    graph: Graph, types: Mapping[str, Tuple[str, ...]], order: Iterable[str]
) -> Dict[str, int]:
    """Return how many values one output of each node has at most, constant or not."""
    found: Dict[str, int] = {}
    for name in order:
        node = graph.nodes[name]
        if node.op in OF_SHAPES:
            found[name] = _MOST_DIMENSIONS
        elif node.op in CONSTANTS:
            found[name] = constant_size(node)
        elif node.op in JOINS_AND_PARTS | PAIRWISE | CONTROL_FLOW:
            # A loop's way back is not seen yet: neither does TensorFlow.
            found[name] = largest_of(node.op, [found.get(t.node, 1) for t in graph.data[name]])
        else:
            shape = node.attr["shape"].shape if node.op == "Placeholder" else None
            known = _written(node, 0) if shape is None else _static(shape)
            found[name] = UNKNOWN if known is None or len(types[name]) > 1 else elements(known)
    return found


@functools.lru_cache(maxsize=None)
def _may_be_shapes(op: str) -> Tuple[bool, ...]:
    """Return of each input argument of an operator whether it may be meant as a shape.

    Of a vector that is, TensorFlow 1.15 makes a list as long as the vector, though its values are
    not known.
    """
    indexes = [tf_compat.load().as_dtype(dtype).as_datatype_enum for dtype in _INDEXES]
    definition = tf_compat.op_def(op)
    return tuple(arg.type in indexes or arg.type_attr in _SHAPES for arg in definition.input_arg)


def _shape_inputs(node: Any) -> List[int]:
    found: List[int] = []
    begin = 0
    for argument, may_be in zip(tf_compat.op_def(node.op).input_arg, _may_be_shapes(node.op)):
        end = begin + len(argument_types(node, [argument]))
        found += range(begin, end) if may_be else ()
        begin = end
    return found


def _blank_long_vectors(node: Any, types: Sequence[str]) -> None:
    """Have a node's attributes not say how long a vector of integers is that no shape can be.

    It may be meant as a shape all the same: of 2^40 dimensions TensorFlow 1.15 makes a list.
    """
    tf = tf_compat.load()
    own = node.attr["dtype"].type if "dtype" in node.attr else 0
    for attr in node.attr.values():
        if attr.HasField("shape"):
            pairs = [(attr.shape, tf.as_dtype(own).name if own else "")]
        else:
            pairs = list(zip(attr.list.shape, types))
        for shape, dtype in pairs:
            size = shape.dim[0].size if len(shape.dim) == 1 else 0
            if size > SMALL and dtype.partition("_ref")[0] in _INDEXES:
                shape.Clear()
                shape.unknown_rank = True


def _is_large(node: Any, dtype: str) -> bool:
    size = tf_compat.load().as_dtype(dtype).size or 1
    return node.ByteSize() > _LARGE or constant_size(node) * size > _LARGE
