"""Updates and normalisations written with single operators, and what of them is float16.

The chip's own operators for them (ApplyAdamD, LayerNorm, BatchNorm) are computed as a whole; of
single ones each gets a type of its own.
"""

from __future__ import annotations

from typing import (
    AbstractSet,
    Collection,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Tuple,
)

from lenet_exp.precision.analysis.constants import constant_number
from lenet_exp.precision.ir.graph import Graph
from lenet_exp.precision.ir.names import Tensor
from lenet_exp.precision.ir.op_traits import CONSTANTS, PLAIN_WRITES
from lenet_exp.precision.ir.operators import GraphOperator
from lenet_exp.precision.plan import Operator

_HALF = "float16"
_SQUARES = frozenset(("Square", "SquaredDifference"))
_ROOTS = frozenset(("Sqrt", "Rsqrt"))
_MEANS = frozenset(("ReduceMean", "ReduceMeanD", "ReduceSum", "ReduceSumD"))
_PRODUCTS = frozenset(("Div", "DivNoNan", "Mul", "RealDiv"))
_PASSING = frozenset(("Add", "Cast", "Maximum", "Minimum", "Reciprocal", "Reshape")) | _PRODUCTS
_ELEMENTWISE = _SQUARES | _ROOTS | _PASSING | frozenset(("Pow", "Sub"))
_ADDING_WRITES = ("AssignAdd", "AssignSub")

_MOST = 100  # rows behind one: a composite has a dozen

Pair = Tuple[GraphOperator, Operator]
Compiled = Iterable[Pair]


class Composite(NamedTuple):
    """What is written with single operators, by the name of its end, and its float16 squares."""

    name: str
    squares: Tuple[str, ...]


class _Rows:
    """The operators with their types, and who makes and who takes which tensor."""

    def __init__(self, compiled: Compiled, graph: Graph) -> None:
        self.all = list(compiled)
        self.made_by: Dict[Tensor, Pair] = {
            output.key: pair for pair in self.all for output in pair[0].outputs
        }
        self._graph = graph
        self._taken_by: Dict[Tensor, List[Pair]] = {}
        for pair in self.all:
            for value in pair[0].inputs:
                self._taken_by.setdefault(value.source, []).append(pair)

    def behind(
        self, tensor: Tensor, through: AbstractSet[str]
    ) -> Tuple[Mapping[str, Pair], Collection[Tensor]]:
        """Return the rows of types `through` that a tensor is computed by, and what they take.

        What was assigned to a variable is looked through.
        """
        rows: Dict[str, Pair] = {}
        sources: Dict[Tensor, None] = {}
        waiting: List[Tensor] = [tensor]
        for each in waiting:  # grows on the way
            operator, row = self.made_by.get(each, (None, None))
            if operator is not None and operator.tf_type in PLAIN_WRITES:
                waiting.append(operator.inputs[-1].source)
            elif operator is None or row is None or row.ge_type not in through:
                sources[each] = None
            elif row.name not in rows and len(rows) < _MOST:
                rows[row.name] = operator, row
                waiting += [value.source for value in operator.inputs]
        return rows, sources

    def power(self, operator: GraphOperator) -> Optional[float]:
        """Return which power an operator gives, None if it gives none or an unknown one."""
        taken = [value.source for value in operator.inputs]
        if operator.ge_type in _SQUARES or (operator.ge_type == "Mul" and len({*taken}) == 1):
            return 2.0
        if operator.ge_type in _ROOTS:
            return 0.5 if operator.ge_type == "Sqrt" else -0.5
        return constant_number(self._graph, taken[1]) if operator.ge_type == "Pow" else None

    def root(self, operator: GraphOperator) -> bool:
        """Return whether an operator gives a square root, or one through it."""
        return abs(self.power(operator) or 0.0) == 0.5

    def float16_squares(self, rows: Mapping[str, Pair]) -> List[GraphOperator]:
        """Return which of some rows square in float16."""
        return [
            operator
            for operator, row in rows.values()
            if _HALF in row.outputs and self.power(operator) == 2.0
        ]

    def scales(self, root: GraphOperator, values: Collection[Tensor]) -> bool:
        """Return whether a root divides or multiplies what is computed of one of some values."""
        varying = {each for each in values if not self._is_constant(each)}
        waiting = [output.key for output in root.outputs]
        seen = set(waiting)
        for tensor in waiting:  # grows on the way
            for operator, row in self._taken_by.get(tensor, ()):
                others = (value.source for value in operator.inputs if value.source != tensor)
                scaled = others if row.ge_type in _PRODUCTS else ()
                if any(varying & {*self.behind(each, _ELEMENTWISE)[1]} for each in scaled):
                    return True
                new = [output.key for output in operator.outputs if output.key not in seen]
                if row.ge_type in _PASSING and len(seen) < _MOST:
                    seen.update(new)
                    waiting += new
        return False

    def _is_constant(self, tensor: Tensor) -> bool:
        node = self._graph.nodes.get(tensor.node)
        return node is not None and node.op in CONSTANTS


def float16_updates(compiled: Compiled, graph: Graph) -> List[Composite]:
    """Return the variables whose new value comes of their own and of a square in float16.

    A variable of which another one's update takes the root, a second moment, is part of that.
    """
    rows = _Rows(compiled, graph)
    found: Dict[str, Composite] = {}
    moments: Dict[str, str] = {}  # the operator that makes a new value: the variable
    rooted: Dict[str, None] = {}
    for operator, _ in rows.all:
        adds = operator.tf_type.startswith(_ADDING_WRITES)
        if (adds or operator.tf_type in PLAIN_WRITES) and len(operator.inputs) > 1:
            variable, value = operator.inputs[0].source, operator.inputs[1].source
            behind, sources = rows.behind(value, _ELEMENTWISE)
            squares = rows.float16_squares(behind)
            if squares and (adds or variable in sources):
                names = tuple(square.name for square in squares)
                found[variable.node] = Composite(variable.node, names)
                for root in (each for each, _ in behind.values() if rows.root(each)):
                    rooted.update(
                        dict.fromkeys(rows.behind(root.inputs[0].source, _ELEMENTWISE)[0])
                    )
                if value in rows.made_by:
                    moments[rows.made_by[value][0].name] = variable.node
    inner = {variable for maker, variable in moments.items() if maker in rooted}
    return [each for name, each in found.items() if name not in inner]


def float16_normalisations(compiled: Compiled, graph: Graph) -> List[Composite]:
    """Return the roots of a mean of float16 squares by which what was squared is scaled."""
    rows = _Rows(compiled, graph)
    found = []
    for operator, row in rows.all:
        if rows.root(operator):
            squares = list(_squares_of_means(rows, operator))
            taken = [rows.behind(each.inputs[0].source, _ELEMENTWISE)[1] for each in squares]
            if squares and rows.scales(operator, [each for sources in taken for each in sources]):
                found.append(Composite(row.name, tuple(square.name for square in squares)))
    return found


def _squares_of_means(rows: _Rows, root: GraphOperator) -> Iterator[GraphOperator]:
    """Yield the float16 squares whose mean a root is taken of."""
    _, sources = rows.behind(root.inputs[0].source, _ELEMENTWISE)
    for source in sources:
        mean, made = rows.made_by.get(source, (None, None))
        if mean is not None and made is not None and made.ge_type in _MEANS:
            behind, _ = rows.behind(mean.inputs[0].source, _ELEMENTWISE)
            yield from rows.float16_squares(behind)
