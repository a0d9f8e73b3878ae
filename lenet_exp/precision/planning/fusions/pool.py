"""The operators while fusions replace them, with what fusions ask of them."""

from __future__ import annotations

from typing import Any, Iterator, Optional, Tuple

from lenet_exp.precision.analysis.constants import constant_value
from lenet_exp.precision.analysis.shapes import static_shapes, with_variables
from lenet_exp.precision.ir.names import Tensor
from lenet_exp.precision.ir.op_traits import MOMENTUMS
from lenet_exp.precision.ir.operators import Input, OperatorGraph
from lenet_exp.precision.planning.compilation import Compilation


class Pool(OperatorGraph):
    """Operators, the library, the shapes that fusions ask of, and the values of constants."""

    def __init__(self, state: Compilation) -> None:
        """Begin with a compilation's operators; all shapes are inferred at once."""
        super().__init__(state.operators.values(), state.leaving)
        self.library = state.options.library
        self._nodes = state.graph.nodes
        needed = sorted(set(self._shapes_needed()))
        known = static_shapes(state.graph, state.types, needed)
        self.shapes = with_variables(state.graph, known)

    def _shapes_needed(self) -> Iterator[Tensor]:
        """Yield the tensors of whose shapes a fusion asks."""
        momentum = any(operator.ge_type in MOMENTUMS for operator in self.operators.values())
        for operator in self.operators.values():
            if operator.ge_type == "Relu":
                yield operator.outputs[0].key
            elif operator.ge_type in ("Add", "Mul"):
                constant = any(value.constant for value in operator.inputs)
                if momentum if operator.ge_type == "Mul" else constant:
                    yield from (value.source for value in operator.inputs)
            elif operator.ge_type == "AddN":
                first = self.producer(operator.inputs[0].source)
                if first is None or first.ge_type != "Mul":
                    continue
                if not any(value.constant for value in first.inputs):
                    yield first.inputs[0].source

    def shape(self, value: Input) -> Optional[Tuple[int, ...]]:
        """Return an input's shape: a Const's own, else one that was inferred."""
        if value.constant and value.source.node in self._nodes:
            dims = self._nodes[value.source.node].attr["value"].tensor.tensor_shape.dim
            return tuple(int(dim.size) for dim in dims)
        return self.shapes.get(value.source)

    def constant(self, value: Input) -> Optional[Any]:
        """Return what a Const that feeds an input holds, an array; None if none can be read."""
        if not value.constant or value.source.node not in self._nodes:
            return None
        return constant_value(self._nodes[value.source.node])
