"""The nodes of a plan's graph, one by one, as float16 hardware would compute them.

A node whose output is float16 on the chip is renamed, and its name given to the last node of its
rounding: consumers, control edges and fetches stay as they are. Only edges on which the plan has
a Cast get another input.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import (
    Any,
    Callable,
    Dict,
    FrozenSet,
    Iterable,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
)

import numpy as np

from lenet_exp import tf_compat
from lenet_exp.precision.emulation.exact import rounding
from lenet_exp.precision.emulation.exact.arithmetic import Arithmetic
from lenet_exp.precision.emulation.exact.context import Lookup
from lenet_exp.precision.emulation.exact.kernels import KERNELS
from lenet_exp.precision.emulation.exact.own_types import (
    is_apart,
    keeps_types,
    own_halves,
    read_by_chip,
    rounded_apart,
)
from lenet_exp.precision.ir.builder import (
    Handle,
    Nodes,
    control_inputs,
    copied,
    data_inputs,
    set_attribute,
    set_inputs,
)
from lenet_exp.precision.ir.names import Tensor, as_input, node_of, slot_of
from lenet_exp.precision.ir.op_defs import KEPT_SHAPES, PLACES, WRITTEN_SHAPES, argument_types
from lenet_exp.precision.ir.op_traits import (
    CONVOLUTIONS,
    DATA,
    EXACT,
    STEPWISE,
    VARIABLE_GATHERS,
)
from lenet_exp.precision.plan import CastEdge, Operator

_HALF = 19  # DT_HALF
_SUMS_OF_ALL = ("AddN", "AccumulateNV2")
_LEAST_IN_ORDER = 3  # two have the same sum in both orders
# (a node, its tensors) -> its output, rounded, under its name; None to compute it as it is
Form = Callable[[Any, Sequence[str]], Optional[Handle]]


class Rewriter:
    """Appends rewritten nodes to the arithmetic's `nodes`."""

    def __init__(
        self,
        lookup: Lookup,
        arithmetic: Arithmetic,
        shortcuts: bool,
        form: Form = lambda node, tensors: None,
        drawn: Mapping[str, Handle] = MappingProxyType({}),
    ) -> None:
        """Round by `arithmetic`; `shortcuts`: not what only moves or chooses values.

        `form` computes what is float16 and no kernel's, where it has a better way. `drawn` has
        what was made elsewhere already, before it is rounded, by the name of its node.
        """
        self._lookup, self.arithmetic, self._nodes = lookup, arithmetic, arithmetic.nodes
        self._shortcuts, self._form = shortcuts, form
        self._rounded: Dict[str, str] = {}
        self._drawn, self.appended = drawn, {}  # type: Mapping[str, Handle], Dict[str, Handle]
        self.rounded_from: Dict[str, str] = {}  # the tensor of each rounded input
        self.read: Dict[str, str] = {}  # what the chip sees of data, by its tensor
        self.shared: List[str] = []  # rounded inputs that others may take, too, in turn

    def rewrite(self, names: Iterable[str]) -> None:
        """Append these nodes of the plan's graph."""
        for name in names:
            self.node(self._lookup.nodes[name])

    def inputs(self, node: Any, later: FrozenSet[int] = frozenset()) -> List[str]:
        """Return a node's inputs, with those rounded on which the plan has a Cast to float16.

        Not those that the caller rounds `later`.
        """
        past, casts = self._lookup.past, casts_on(self._lookup, node)
        texts = [past.get((node.name, i), text) for i, text in enumerate(node.input)]
        return [
            self.rounded(text, casts[i]) if i in casts and i not in later else text
            for i, text in enumerate(texts)
        ]

    def unrounded(self, node: Any) -> FrozenSet[int]:
        """Return the inputs on which the plan has a Cast to float16 that the chip itself makes."""
        casts = casts_on(self._lookup, node).items()
        return frozenset(i for i, edge in casts if not edge.on_host)

    def rounded(self, tensor: str, edge: CastEdge) -> str:
        """Return a tensor rounded to float16 values; once for all its consumers."""
        name = f"{tensor.replace(':', '_')}/float16"
        if tensor not in self._rounded and edge.on_host:
            # A constant as the compiler converts it: no flag is set.
            tf, node = self._nodes.tf, self._lookup.nodes[edge.producer.node]
            value = tf.make_ndarray(node.attr["value"].tensor).astype(np.float32)
            value = rounding.round_array(value, self.arithmetic.flush)
            # In a branch or a loop it belongs there, as what it is the value of does.
            before = [node_of(tensor)] if self._lookup.nodes[node_of(tensor)].input else []
            constant = self._nodes.add("Const", [], name, before, dtype=tf.float32, value=value)
            self._rounded[tensor] = constant
        elif tensor not in self._rounded:
            self._rounded[tensor] = self.arithmetic.rounded(tensor, name)
            self.rounded_from[self._rounded[tensor]] = tensor
        self.shared.append(self._rounded[tensor])
        return self._rounded[tensor]

    def node(self, node: Any) -> None:
        """Append one node, and what rounds it; the last of them has its name."""
        row = self._lookup.rows.get(node.name)
        inputs = self.inputs(node)
        if node.name in self._lookup.removed:
            instead, row = self._lookup.removed[node.name], None
            inputs = inputs if instead is None else [instead, *inputs[1:]]
        slots = rounded_outputs(self._lookup, node, self._shortcuts)
        if not slots:
            self._unrounded(node, inputs)
            return
        tensors = data_inputs(inputs)
        kind = node.op if row is None or len(row.parts) > 1 else row.ge_type
        kernel = None if row is None else KERNELS.get(kind)
        made = (
            self._form(node, tensors)
            if kernel is None
            else kernel(self.arithmetic, node, tensors, self._lookup.plan.generation)
        )
        if made is not None:
            made.node.input.extend(inputs[len(tensors) :])
            return
        wide = self.append(node, inputs, self._nodes.free(f"{node.name}/float32"))
        self._replace_outputs(node, wide, slots, self.arithmetic.rounded)

    def _unrounded(self, node: Any, inputs: List[str]) -> None:
        """Append a node that the AI core does not round, and what it reads of its float16."""
        keeps = node.name not in self._lookup.removed and keeps_types(self._lookup, node)
        slots = own_halves(node) if keeps else rounded_apart(self._lookup, node)
        if keeps:
            inputs = self._as_halves(node, inputs)
        if not slots or node.op in DATA:
            made = self.append(node, inputs, keeps=keeps)
            for slot in slots:  # it has its name: it is fed by that
                text = as_input(Tensor(node.name, slot))
                self.read[text] = read_by_chip(self._nodes, text, True, f"{made}/output_{slot}")
            return
        made = self.append(node, inputs, self._nodes.free(f"{node.name}/own"), keeps)
        self._replace_outputs(
            node, made, slots, lambda *given: read_by_chip(self._nodes, given[0], keeps, *given[1:])
        )

    def _as_halves(self, node: Any, inputs: List[str]) -> List[str]:
        """Return inputs, as float16 where a node takes that."""
        types = argument_types(node, tf_compat.op_def(node.op).input_arg)
        data = data_inputs(inputs)
        halves = [
            self._nodes.cast(text, "float32", "float16", f"{node.name}/taken")
            if kind == "float16"
            else text
            for text, kind in zip(data, types)
        ]
        return [*halves, *inputs[len(data) :]]

    def append(
        self, node: Any, inputs: List[str], name: Optional[str] = None, keeps: bool = False
    ) -> Handle:
        """Append a copy of a node with other inputs, unless it was made elsewhere.

        `keeps`: what is float16 in it stays so.
        """
        if node.name in self._drawn:
            return self._drawn[node.name]
        copy = without_hints(node) if keeps else widened(node)
        copy.name = name or node.name
        set_inputs(copy, inputs)
        self.appended[node.name] = _append(self._nodes, copy)
        return self.appended[node.name]

    def _replace_outputs(
        self, node: Any, made: Handle, slots: Tuple[int, ...], replace: Callable[..., Handle]
    ) -> None:
        """Append what `replace` makes of some outputs; what is last has the node's name."""
        types = emulated_dtypes(node)
        count = max(len(types), max(slots) + 1)
        if count == 1:
            replace(made, node.name, node.name)
            return
        tensors: List[str] = made.outputs(count)
        for slot in slots:
            tensors[slot] = replace(tensors[slot], f"{node.name}/output_{slot}")
        self._nodes.add("IdentityN", tensors, node.name, final=node.name, T=types)


def _append(nodes: Nodes, node: Any) -> Handle:
    """Append a node; a sum of several floats as sums of two, in the order of the inputs.

    AddN begins with an input whose memory nobody else needs (AddNOp in TensorFlow's
    core/kernels/aggregate_ops.cc): with more than two, what is around it decides the last bit.
    """
    data, control = data_inputs(node.input), control_inputs(node.input)
    kinds = output_dtypes(node) if node.op in _SUMS_OF_ALL else []
    if len(data) < _LEAST_IN_ORDER or not any(each.is_floating for each in kinds):
        nodes.made.append(node)
        return Handle(node)
    total, *rest = data
    for each in rest[:-1]:
        total = nodes.add("AddV2", [total, each], f"{node.name}/sum", control, T=kinds[0])
        control = []
    return nodes.add("AddV2", [total, rest[-1]], node.name, final=node.name, T=kinds[0])


def casts_on(lookup: Lookup, node: Any) -> Dict[int, CastEdge]:
    """Return the Casts to float16 that the plan has on a node's inputs."""
    casts = lookup.casts
    indices = (i for i in range(len(node.input)) if (node.name, i) in casts)
    return {i: casts[node.name, i] for i in indices if not takes_reference(node, i)}


def rounded_outputs(lookup: Lookup, node: Any, shortcuts: bool) -> Tuple[int, ...]:
    """Return the outputs of a node that are rounded; `shortcuts` as a Rewriter takes it."""
    row = lookup.rows.get(node.name)
    if node.name in lookup.removed:
        return ()
    if row is None:
        return _rounded_read(lookup, node)
    if is_apart(row) or (shortcuts and _moves(row, node)):
        return ()
    found = tuple(
        result.slot
        for result, dtype in zip(row.results, row.outputs)
        if result is not None and result.node == node.name and dtype == "float16"
    )
    if found or len(row.parts) == 1 or row.outputs[0] != "float16":
        return found
    # A convolution's sum is rounded before its bias is added, and again after (8.1).
    summed = row.ge_type in CONVOLUTIONS and node.name == row.name
    stepwise = row.ge_type in STEPWISE and output_dtypes(node)[0].is_floating
    return (0,) if summed or stepwise else ()


def _rounded_read(lookup: Lookup, node: Any) -> Tuple[int, ...]:
    """Return the outputs that are rounded of a node that is no operator.

    The chip casts a variable in front of an operator, such as Enter, that takes its handle and
    is float16; here its value is known only where it is read.
    """
    if node.op != "ReadVariableOp":
        return ()
    text = str(node.input[0])
    while node_of(text) not in lookup.rows and lookup.nodes[node_of(text)].input:
        text = lookup.nodes[node_of(text)].input[0]
    row = lookup.rows.get(node_of(text))
    return (0,) if row is not None and row.outputs[slot_of(text)] == "float16" else ()


def _moves(row: Operator, node: Any) -> bool:
    """Return whether an operator only moves or chooses values that float16 holds."""
    if node.op in VARIABLE_GATHERS:  # a variable is float32 in memory, and cast in front of it
        return False
    if row.ge_type == "MaxPoolGrad":  # windows that don't overlap: nothing is added up
        sizes = zip(node.attr["ksize"].list.i, node.attr["strides"].list.i)
        return all(size <= step for size, step in sizes)
    return row.ge_type in EXACT


def takes_reference(node: Any, index: int) -> bool:
    """Return whether a data input is a variable itself, not its value."""
    definition, resource = tf_compat.op_def(node.op), tf_compat.load().resource
    arguments = definition.input_arg if definition is not None else ()
    if index >= len(arguments) or arguments[index].is_ref:
        return index < len(arguments)
    kind = arguments[index].type_attr  # Enter and Switch take a handle, too
    return bool((node.attr[kind].type if kind in node.attr else arguments[index].type) == resource)


def output_dtypes(node: Any) -> List[Any]:
    """Return the DTypes of a node's outputs."""
    definition = tf_compat.op_def(node.op)
    names = argument_types(node, definition.output_arg) if definition is not None else ()
    return [tf_compat.load().as_dtype(name) for name in names]


def emulated_dtypes(node: Any) -> List[Any]:
    """Return the DTypes of a node's outputs where float32 stands for float16."""
    return output_dtypes(widened(node))


def widened(node: Any) -> Any:
    """Return a NodeDef with float32 for float16, without what may be wrong afterwards."""
    tf, node = tf_compat.load(), without_hints(node)
    for key in node.attr:
        attribute = node.attr[key]
        if attribute.type == _HALF:
            attribute.type = tf.float32.as_datatype_enum
        for index, kind in enumerate(attribute.list.type):
            if kind == _HALF:
                attribute.list.type[index] = tf.float32.as_datatype_enum
        if attribute.tensor.dtype == _HALF:
            value = tf.make_ndarray(attribute.tensor).astype(np.float32)
            set_attribute(node, key, rounding.round_array(value))  # as the compiler reads it
    return node


def without_hints(node: Any) -> Any:
    """Return a copy of a NodeDef without what TensorFlow checks but doesn't need."""
    node = copied(node)
    for key in (PLACES, WRITTEN_SHAPES, KEPT_SHAPES):
        if key in node.attr:
            del node.attr[key]
    return node
