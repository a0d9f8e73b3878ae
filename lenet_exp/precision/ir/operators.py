"""The chip's operators before their types are chosen: what a graph is lowered to."""

from __future__ import annotations

from typing import NamedTuple, Optional, Tuple

from lenet_exp.precision.ir.names import Port, Tensor


class Input(NamedTuple):
    """An input: the tensor behind it, its dtype in the graph, and where it enters the GraphDef.

    `port` is None for what a fusion made. `constant`: a Const feeds it; `late`: a constant or a
    variable does, so that it is looked at last (4.3).
    """

    source: Tensor
    dtype: str
    port: Optional[Port]
    constant: bool = False
    late: bool = False


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
