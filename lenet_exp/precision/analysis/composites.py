"""Updates and normalisations written with single operators, and what of them is float16.

The chip's own operators for them (ApplyAdamD, LayerNorm, BatchNorm) are computed as a whole; of
single ones each gets a type of its own.
"""

from __future__ import annotations

from typing import AbstractSet, Collection, Dict, Iterable, List, Mapping, NamedTuple, Tuple

from lenet_exp.precision.ir.names import Tensor
from lenet_exp.precision.ir.op_traits import PLAIN_WRITES
from lenet_exp.precision.ir.operators import GraphOperator
from lenet_exp.precision.plan import Operator

_HALF = "float16"
_SQUARES = frozenset(("Square", "SquaredDifference"))
_ROOTS = frozenset(("Sqrt", "Rsqrt"))
_MEANS = frozenset(("ReduceMean", "ReduceMeanD", "ReduceSum", "ReduceSumD"))
_ELEMENTWISE = _SQUARES | _ROOTS | frozenset(("Add", "Div", "Mul", "RealDiv", "Sub"))
_ELEMENTWISE |= frozenset(("Cast", "Maximum", "Minimum", "Reciprocal", "Reshape"))

_MOST = 100  # rows behind one: a composite has a dozen

Compiled = Iterable[Tuple[GraphOperator, Operator]]


class Composite(NamedTuple):
    """What is written with single operators, by the name of its end, and its float16 squares."""

    name: str
    squares: Tuple[str, ...]


class _Rows:
    """The operators with their types, and who makes which tensor."""

    def __init__(self, compiled: Compiled) -> None:
        self.all = list(compiled)
        self.made_by: Dict[Tensor, Tuple[GraphOperator, Operator]] = {
            output.key: pair for pair in self.all for output in pair[0].outputs
        }

    def behind(
        self, tensor: Tensor, through: AbstractSet[str]
    ) -> Tuple[Mapping[str, Operator], Collection[Tensor]]:
        """Return the rows of types `through` that a tensor is computed by, and what they take."""
        rows: Dict[str, Operator] = {}
        sources: Dict[Tensor, None] = {}
        waiting: List[Tensor] = [tensor]
        for each in waiting:  # grows on the way
            operator, row = self.made_by.get(each, (None, None))
            if operator is None or row is None or row.ge_type not in through:
                sources[each] = None
            elif row.name not in rows and len(rows) < _MOST:
                rows[row.name] = row
                waiting += [value.source for value in operator.inputs]
        return rows, sources


def float16_updates(compiled: Compiled) -> List[Composite]:
    """Return the variables whose new value comes of their own and of a square in float16."""
    rows = _Rows(compiled)
    found = []
    for operator, _ in rows.all:
        if operator.tf_type in PLAIN_WRITES and len(operator.inputs) > 1:
            variable = operator.inputs[0].source
            behind, sources = rows.behind(operator.inputs[1].source, _ELEMENTWISE)
            squares = _float16_squares(behind)
            if squares and variable in sources:
                found.append(Composite(variable.node, squares))
    return found


def float16_normalisations(compiled: Compiled) -> List[Composite]:
    """Return the roots of a mean of squares that are squared in float16."""
    rows = _Rows(compiled)
    found = []
    for operator, row in rows.all:
        if row.ge_type in _ROOTS:
            _, sources = rows.behind(operator.inputs[0].source, _ELEMENTWISE)
            means = [rows.made_by[each] for each in sources if each in rows.made_by]
            behind = [
                rows.behind(mean.inputs[0].source, _ELEMENTWISE)[0]
                for mean, made in means
                if made.ge_type in _MEANS
            ]
            squares = [name for each in behind for name in _float16_squares(each)]
            if squares:
                found.append(Composite(row.name, tuple(squares)))
    return found


def _float16_squares(rows: Mapping[str, Operator]) -> Tuple[str, ...]:
    return tuple(
        name for name, row in rows.items() if row.ge_type in _SQUARES and _HALF in row.outputs
    )
