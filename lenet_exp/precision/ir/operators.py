"""The chip's operators before their types are chosen: what a graph is lowered to."""

from __future__ import annotations

from typing import AbstractSet, Dict, Iterable, List, NamedTuple, Optional, Tuple

from lenet_exp.precision.ir.names import Port, Tensor


class Input(NamedTuple):
    """An input: the tensor behind it, its dtype in the graph, and where it enters the GraphDef.

    `port` is None for what a fusion made. `constant`: a Const feeds it; `late`: a constant or a
    variable does, so that it is looked at last (4.3). `others`: where else it enters, as an
    operator does that several parts of a fused one take.
    """

    source: Tensor
    dtype: str
    port: Optional[Port]
    constant: bool = False
    late: bool = False
    others: Tuple[Port, ...] = ()

    def joined(self, other: Input) -> Input:
        """Return the one input of a fused operator that two of its parts took from one tensor."""
        if other.port is None:
            return self
        return self._replace(others=(*self.others, other.port, *other.others))


class Output(NamedTuple):
    """An output: how consumers name it, its dtype in the graph, whether the GraphDef has it."""

    key: Tensor
    dtype: str
    real: bool = True


class GraphOperator(NamedTuple):
    """An operator of the chip's graph; `parts` are the nodes it is made of.

    `keeps` says that keep_dtype is on it or on one of its parts.
    """

    name: str
    tf_type: str
    ge_type: str
    parts: Tuple[str, ...]
    inputs: Tuple[Input, ...]
    outputs: Tuple[Output, ...]
    keeps: bool = False

    @property
    def origin(self) -> Tuple[str, ...]:
        """The dtypes of the graph, inputs then outputs."""
        return (*(i.dtype for i in self.inputs), *(o.dtype for o in self.outputs))

    @property
    def sides(self) -> Tuple[slice, slice]:
        """Where `origin` has the inputs, and where the outputs."""
        return slice(len(self.inputs)), slice(len(self.inputs), None)


class Use(NamedTuple):
    """Input `slot` of the operator `name`."""

    name: str
    slot: int


class OperatorGraph:
    """Operators while some replace others, with who makes and who takes which tensor.

    What the nodes `leaving` make is taken from outside too.
    """

    def __init__(self, operators: Iterable[GraphOperator], leaving: AbstractSet[str]) -> None:
        """Begin with these operators."""
        self.operators: Dict[str, GraphOperator] = {}
        self._made_by: Dict[Tensor, str] = {}
        # Dicts for their order: a shared learning rate has as many uses as there are variables.
        self._uses: Dict[Tensor, Dict[Use, None]] = {}
        self._leaving = leaving
        for operator in operators:
            self._enter(operator)

    def _enter(self, operator: GraphOperator) -> None:
        self.operators[operator.name] = operator
        for output in operator.outputs:
            self._made_by[output.key] = operator.name
        for index, value in enumerate(operator.inputs):
            self._uses.setdefault(value.source, {})[Use(operator.name, index)] = None

    def replace(self, gone: Iterable[GraphOperator], *made: GraphOperator) -> None:
        """Put fused operators in the place of their parts."""
        for operator in gone:
            del self.operators[operator.name]
            for index, value in enumerate(operator.inputs):
                del self._uses[value.source][Use(operator.name, index)]
        for operator in made:
            self._enter(operator)

    def join(self, parts: Tuple[GraphOperator, ...], made: GraphOperator) -> None:
        """Put one operator in the place of several; it has the parts of all."""
        nodes = tuple(node for part in parts for node in part.parts)
        self.replace(parts, made._replace(parts=nodes, keeps=any(part.keeps for part in parts)))

    def producer(self, tensor: Tensor) -> Optional[GraphOperator]:
        """Return the operator that makes a tensor; None for sources."""
        return self.operators.get(self._made_by.get(tensor, ""))

    def uses(self, tensor: Tensor) -> List[Use]:
        """Return the inputs that a tensor feeds."""
        return list(self._uses.get(tensor, ()))

    def leaves(self, operator: GraphOperator) -> bool:
        """Return whether an output of an operator is taken from outside."""
        return any(output.key.node in self._leaving for output in operator.outputs)

    def only_feeds(self, operator: GraphOperator, consumer: GraphOperator) -> bool:
        """Return whether an operator's only consumer is one input of another one."""
        uses = [use for output in operator.outputs for use in self.uses(output.key)]
        return [use.name for use in uses] == [consumer.name] and not self.leaves(operator)
