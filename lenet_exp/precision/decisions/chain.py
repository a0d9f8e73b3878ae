"""The decisions that led to an operator's types, back to what began them."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

from lenet_exp.precision.ir.functions import leading_inputs
from lenet_exp.precision.ir.names import Tensor
from lenet_exp.precision.ir.op_traits import LOOPS
from lenet_exp.precision.plan import Rule
from lenet_exp.precision.planning.compilation import Compilation, Decided
from lenet_exp.precision.planning.dtype_overrides import agrees, wanted_types
from lenet_exp.precision.planning.lower import lowered
from lenet_exp.precision.planning.select import looked_through
from lenet_exp.precision.reporting.letters import compact
from lenet_exp.precision.target.operator_library import column_types, node_columns

_MOST_KERNELS = 6
_LISTED = (Rule.WHITE, Rule.BLACK)
_BY_KERNEL = (Rule.GRAY, Rule.REDUCED, Rule.FORCED, Rule.CUBE, Rule.FP16_FIRST)


class Link(NamedTuple):
    """One decision.

    `phase` of the compiler that took it, or what it was taken by: the list, the kernel, option,
    graph. `name` is an operator's or a node's, `types` what came of it: "hh>h", or a dtype.
    """

    phase: str
    name: str
    types: str
    why: str


def chain(state: Compilation, name: str) -> List[Link]:
    """Return the decisions behind an operator of a finished compilation, the nearest first."""
    return list(_Chain(state).links(name))


class _Chain:
    """Who made which tensor, in all functions."""

    def __init__(self, state: Compilation) -> None:
        self._state = state
        self._options = state.options
        self._decided = {one.row.name: one for one in state.decided}
        self._made_by = {o.key: one for one in state.decided for o in one.operator.outputs}
        self._handed: Dict[str, Tensor] = {}  # an argument of a function -> what its call is given
        self._nodes: Dict[str, Any] = {}
        self._types: Dict[str, Tuple[str, ...]] = {}
        self._homes: Dict[str, Compilation] = {}  # of a node, the graph or function that has it
        self._enter(state)

    def _enter(self, state: Compilation) -> None:
        self._nodes.update(state.graph.nodes)
        self._homes.update(dict.fromkeys(state.graph.nodes, state))
        self._types.update(state.types)
        for call, functions in state.functions.items():
            operator = state.operators[call]
            given = [value.source for value in operator.inputs]
            for function in functions:
                handed = zip(function.arguments, given[leading_inputs(operator.tf_type) :])
                self._handed.update(handed)
                self._enter(function.state)

    def links(self, name: str) -> Iterator[Link]:
        """Yield the decisions; a loop's operators once."""
        one: Optional[Decided] = self._decided[name]
        seen: Set[str] = set()
        slot = 0
        while one is not None and one.row.name not in seen:
            seen.add(one.row.name)
            yield from self._in_front(one) if len(seen) == 1 else ()
            yield Link("select", one.row.name, _types(one), one.row.reason)
            yield from self._made_of(one)
            behind = self._behind(one, slot)
            if behind is None:
                yield from self._beginning(one)
                return
            one, slot = self._made_by.get(behind), behind.slot
            if one is None:
                yield self._of_the_graph(behind)

    def _made_of(self, one: Decided) -> Iterator[Link]:
        """Yield what made this operator of TensorFlow's nodes."""
        row = one.row
        home = self._homes.get(row.name)
        before = lowered(home, row.name).ge_type if home is not None else ""
        if len(row.parts) > 1:
            yield Link("fuse", row.name, row.ge_type, f"one operator of {', '.join(row.parts)}")
        elif before != row.ge_type:
            made_of = f"made of the {before}" if before else f"made of {row.parts[0]}"
            yield Link("fuse", row.name, row.ge_type, made_of)
        if before and row.tf_type != before:
            yield Link("lower", row.name, before, f"the chip's form of {row.tf_type}")

    def _in_front(self, one: Decided) -> Iterator[Link]:
        """Yield the Casts of an operator, the last phase first."""
        edges = [edge for edge in self._state.casts if edge.consumer == one.row.name]
        for edge in (edge for edge in edges if edge.removed):
            why = f"the Cast of input {edge.slot} goes with its inverse: nothing is rounded there"
            yield Link("eliminate_casts", one.row.name, edge.source, why)
        for edge in edges:
            why = f"input {edge.slot}, {edge.producer.node}, is {edge.source}"
            yield Link("insert_casts", one.row.name, edge.target, why)

    def _behind(self, one: Decided, slot: int) -> Optional[Tensor]:
        """Return the tensor whose type was taken; None where the decision began here."""
        row, operator = one.row, one.operator
        if one.returned:  # a call: what its function gives there, of a loop what it is given
            given = [value.source for value in operator.inputs]
            tensors = given if row.tf_type in LOOPS else list(one.returned[0].tensors)
            return self._outside(tensors[slot]) if slot < len(tensors) else None
        if one.followed is None or self._fixed(one) is not None:
            return None
        tensor = operator.inputs[one.followed].source
        cast = self._made_by.get(tensor)
        is_cast = cast is not None and cast.row.ge_type == "Cast"
        if cast is not None and is_cast and looked_through(self._options, cast.row):
            tensor = cast.operator.inputs[0].source
        tensor = self._outside(tensor)
        return tensor if self._dtype(tensor) == row.inputs[one.followed] else None

    def _outside(self, tensor: Tensor) -> Tensor:
        """Return what an argument of a function stands for."""
        while tensor.node in self._handed:
            tensor = self._handed[tensor.node]
        return tensor

    def _dtype(self, tensor: Tensor) -> str:
        types = self._types.get(tensor.node, ())
        of_the_graph = types[tensor.slot] if tensor.slot < len(types) else "float32"
        return self._state.chosen.get(tensor, of_the_graph)

    def _fixed(self, one: Decided) -> Optional[str]:
        """Return the line of customize_dtypes that counts for an operator, as it begins."""
        row, fixed = one.row, self._options.fixed(one.row)
        types = (*row.inputs, *row.outputs)
        if fixed is None or not agrees(wanted_types(row, fixed), types):
            return None
        named = self._options.custom and row.name in self._options.custom.names
        return f"{row.name}::" if named else f"OpType::{row.ge_type}:"

    def _beginning(self, one: Decided) -> Iterator[Link]:
        """Yield what is behind a decision that followed nothing."""
        row, line = one.row, self._fixed(one)
        if line is not None:
            why = f'the line "{line}" of customize_dtypes leaves these types'
            yield Link("option", row.name, _types(one), why)
        elif row.rule in _LISTED:
            yield self._of_a_list(one)
        elif row.rule in _BY_KERNEL:
            yield Link("kernel", row.ge_type, _types(one), self._kernels(one))

    def _of_a_list(self, one: Decided) -> Link:
        ge_type = one.row.ge_type
        entry = self._options.library.operators.get(ge_type)
        here, there = one.row.colour, None if entry is None else entry.colour
        why = f"on the {here} list of the operator library"
        if here is not there:
            why = (
                f"modify_mixlist puts it on the {here} list; in the operator library it is {there}"
            )
        return Link("list", ge_type, _types(one), why)

    def _kernels(self, one: Decided) -> str:
        entry = self._options.library.operators.get(one.row.ge_type)
        sizes = len(one.operator.inputs), len(one.operator.outputs)
        columns = node_columns(entry, *sizes) if entry is not None else None
        if not columns:
            return "its kernels are not known"
        made = (column_types(column, one.operator.origin) for column in columns)
        texts = list(dict.fromkeys(_letters(types, sizes[0]) for types in made))
        more = f" and {len(texts) - _MOST_KERNELS} more" if len(texts) > _MOST_KERNELS else ""
        return f"the kernels it has: {', '.join(texts[:_MOST_KERNELS])}{more}"

    def _of_the_graph(self, tensor: Tensor) -> Link:
        node = self._nodes.get(tensor.node)
        what = "of the graph" if node is None else f"a {node.op} of the graph, with its type"
        return Link("graph", tensor.node, self._dtype(tensor), what)


def _types(one: Decided) -> str:
    return f"{compact(one.row.inputs)}>{compact(one.row.outputs)}"


def _letters(types: Sequence[str], inputs: int) -> str:
    return f"{compact(types[:inputs])}>{compact(types[inputs:])}"
