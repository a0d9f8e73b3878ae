"""The one value that goes through the compiler's phases."""

from __future__ import annotations

from types import MappingProxyType
from typing import Callable, FrozenSet, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from lenet_exp.precision.ir.graph import Graph
from lenet_exp.precision.ir.names import Tensor
from lenet_exp.precision.ir.operators import GraphOperator, Input
from lenet_exp.precision.plan import CastEdge, Engine, Operator, RemovedCast, Rule
from lenet_exp.precision.planning.dtype_overrides import CustomDtypes, Fixed
from lenet_exp.precision.target.modes import Colour, Generation, Mode
from lenet_exp.precision.target.operator_library import OperatorLibrary


class PlanOptions(NamedTuple):
    """What a plan depends on besides its graph.

    `colours` by GE type; `keeps` the nodes of keep_dtype, besides those marked `_keep_dtype`;
    `off` the compiler's passes that are switched off; `warnings` what of the vendor's files does
    nothing.
    """

    mode: Mode
    generation: Generation
    library: OperatorLibrary
    colours: Mapping[str, Colour]
    custom: Optional[CustomDtypes]
    keeps: Tuple[str, ...]
    off: FrozenSet[str]
    warnings: Tuple[str, ...]

    def fixed(self, operator: Union[GraphOperator, Operator]) -> Optional[Fixed]:
        """Return what customize_dtypes fixes for an operator.

        The documentation: no effect with must_keep_origin_dtype (6.6).
        """
        if self.custom is None or self.mode is Mode.MUST_KEEP:
            return None
        return self.custom.of(operator)

    def colour(self, ge_type: str) -> Colour:
        """Return the list of a GE type, NONE if the library lacks it."""
        return self.colours.get(ge_type, Colour.NONE)


class Returned(NamedTuple):
    """What a function, named `owner/function`, returns: tensors and the types they got."""

    label: str
    tensors: Tuple[Tensor, ...]
    types: Tuple[str, ...]


class Decided(NamedTuple):
    """An operator with its row.

    `returned`: of a call, by each of its functions; `followed`: of a gray operator the input whose
    type it took.
    """

    operator: GraphOperator
    row: Operator
    returned: Tuple[Returned, ...] = ()
    followed: Optional[int] = None


def row_of(
    operator: GraphOperator,
    options: PlanOptions,
    types: Sequence[str],
    decision: Tuple[Rule, str, Engine],
) -> Operator:
    """Return the row of an operator with these types, inputs then outputs, still without casts."""
    count, origin = len(operator.inputs), operator.origin
    rule, reason, engine = decision
    entry = options.library.operators.get(operator.ge_type)
    return Operator(
        name=operator.name,
        tf_type=operator.tf_type,
        ge_type=operator.ge_type,
        inputs=tuple(types[:count]),
        outputs=tuple(types[count:]),
        casts=(),
        colour=options.colour(operator.ge_type),
        rule=rule,
        reason=reason,
        engine=engine,
        unit="none" if entry is None else entry.unit,
        parts=operator.parts,
        ports=tuple(value.port for value in operator.inputs),
        results=tuple(output.key if output.real else None for output in operator.outputs),
        sources=tuple(value.source for value in operator.inputs),
        origin_inputs=origin[:count],
        origin_outputs=origin[count:],
    )


class Function(NamedTuple):
    """A function that a call calls: its graph in the compiler, and the nodes at its borders."""

    label: str
    state: Compilation
    arguments: Tuple[str, ...]
    results: Tuple[str, ...]


class Compilation(NamedTuple):
    """What the compiler has of a graph between two phases; what no phase made yet is empty.

    graph: pruned and folded so far. The NodeDefs in it are the caller's where nothing changed
        them, and never modified.
    fetched: the nodes that a run asks for.
    types: dtype names of every node's outputs in the graph itself; from `lower` on.
    operators: the chip's operators by name; from `lower` on.
    functions: of every call, by its name, the functions, compiled as far; from `lower` on.
    chosen: the type of every tensor that an operator makes; from `select` on. Before, of a
        function's graph, those of its arguments.
    decided: rows in the order of decision, a function's in front of its call's; from `select` on.
    casts: from `insert_casts` on; `removed_casts` from `eliminate_casts` on.
    """

    graph: Graph
    fetched: Tuple[str, ...]
    options: PlanOptions
    types: Mapping[str, Tuple[str, ...]] = MappingProxyType({})
    operators: Mapping[str, GraphOperator] = MappingProxyType({})
    functions: Mapping[str, Tuple[Function, ...]] = MappingProxyType({})
    chosen: Mapping[Tensor, str] = MappingProxyType({})
    decided: Tuple[Decided, ...] = ()
    casts: Tuple[CastEdge, ...] = ()
    removed_casts: Tuple[RemovedCast, ...] = ()

    @property
    def leaving(self) -> FrozenSet[str]:
        """The nodes whose outputs leave the graph, Identity and variable reads looked through."""
        return frozenset(self.graph.source(Tensor(name, 0)).node for name in self.fetched)

    def dtype(self, tensor: Tensor) -> str:
        """Return a tensor's dtype name in the graph itself, its "origin type"."""
        types = self.types[tensor.node]
        return types[tensor.slot] if tensor.slot < len(types) else "float32"

    def type_of(self, value: Input) -> str:
        """Return the type that an input's tensor has by now."""
        return self.chosen.get(value.source, value.dtype)


Phase = Callable[[Compilation], Compilation]
