"""float16 by TensorFlow's own kernels, which round as the chip does.

They leave infinity or NaN where it saturates: what they compute counts only where nothing
overflowed, and one test says so.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from lenet_exp import tf_compat
from lenet_exp.precision.emulation.exact import rounding
from lenet_exp.precision.emulation.exact.arithmetic import Arithmetic
from lenet_exp.precision.ir.builder import Handle, Nodes
from lenet_exp.precision.ir.names import node_of
from lenet_exp.precision.ir.op_defs import attribute
from lenet_exp.precision.plan import Operator

Shape = Tuple[int, ...]

# They round once, as what computes in float32 and rounds then.
_NATIVE = frozenset(("Add", "AddV2", "Mul", "RealDiv", "Sub"))
_SMALL = 16384  # elements: of these a node costs more than another pass over them


class Fast(Arithmetic):
    """Casts and float16 kernels; a value's own form is float16, its subnormals kept."""

    def __init__(self, nodes: Nodes) -> None:
        super().__init__(nodes)
        self.ends: List[str] = []  # float32: not finite where something overflowed
        self.halves: Dict[str, str] = {}  # a rounded tensor's float16 form
        self.cast: Dict[str, Handle] = {}  # that of a tensor in front of its rounding
        self._sums: Dict[Tuple[str, ...], str] = {}

    def rounded(self, tensor: str, name: str, final: Optional[str] = None) -> Handle:
        """Return a float32 tensor cast to float16 and back."""
        half = self.cast[tensor] = self.nodes.cast(tensor, "float32", "float16", f"{name}/half")
        return self.end(half, name, final)

    def begin(self, tensor: str) -> str:
        """Return a tensor as float16."""
        if tensor not in self.halves:
            name = f"{tensor.replace(':', '_')}/half"
            self.halves[tensor] = self.nodes.cast(tensor, "float32", "float16", name)
        return self.halves[tensor]

    def constant(self, value: float) -> str:
        """Return a float16 scalar."""
        return self.nodes.constant(rounding.round_array(np.float32(value)), np.float16)

    def step(self, op: str, inputs: Sequence[str], name: str, sure: bool = False) -> str:
        """Return one float16 operation: TensorFlow's kernels round each once."""
        return self.nodes.add(op, inputs, name, T=self.nodes.tf.float16)

    def end(self, value: str, name: str, final: Optional[str] = None, sure: bool = False) -> Handle:
        """Return a value as float32, and have it tested unless `sure`."""
        wide = self.nodes.cast(value, "float16", "float32", f"{name}/rounded", final)
        self.halves[wide] = value
        if not sure:
            self.ends.append(wide)
        return wide

    def hidden(self, value: str) -> str:
        """Return a value, and have it tested: TensorFlow 1.15 folds its product with 0."""
        self.end(value, f"{value}/hidden")
        return value

    def sums(
        self, tensors: Sequence[str], shapes: Mapping[str, Shape] = MappingProxyType({})
    ) -> List[str]:
        """Append sums; return float32 [] tensors that are all finite if float32 `tensors` are.

        Small ones of the same of the known `shapes` are added up first, for fewer nodes.
        """
        alike: Dict[object, List[str]] = {}
        for each in tensors:
            shape = shapes.get(each)
            small = shape is not None and np.prod(shape) <= _SMALL
            alike.setdefault(shape if small else each, []).append(each)
        return [self._sum(tuple(group)) for group in alike.values()]

    def _sum(self, group: Tuple[str, ...]) -> str:
        # Squares of sums of 65504 add up to less than float32's largest; infinity stays.
        if group not in self._sums:
            op, name = self.nodes.float_op, f"{group[0]}/sum"
            whole = op("AddN", group, name, N=len(group)) if len(group) > 1 else group[0]
            self._sums[group] = op("L2Loss", [whole], name)
        return self._sums[group]


def all_finite(nodes: Nodes, sums: Sequence[str], name: str) -> str:
    """Return bool []: all are finite. Less is false for NaN too; never its negation."""
    if not sums:
        return nodes.constant(True, np.bool_)
    total = nodes.float_op("AddN", sums, f"{name}/total", N=len(sums))
    return nodes.float_op("Less", [total, nodes.constant(np.inf)], f"{name}/clean")


def native(
    halves: Arithmetic, rows: Mapping[str, Operator], node: Any, inputs: Sequence[str]
) -> Optional[Handle]:
    """Append an elementary operation of float16 tensors as TensorFlow's float16 kernel.

    Where that is fast: in a chain of them a node each, where casts around them were three.
    """
    row = rows.get(node.name)
    if node.op not in _NATIVE or row is None or len(row.parts) > 1:
        return None
    if not tf_compat.has_fast_float16() or {*row.inputs, *row.outputs} != {"float16"}:
        return None
    value = halves.step(node.op, [halves.begin(text) for text in inputs], f"{node.name}/native")
    return halves.end(value, node.name, final=node.name)


def tiled_bias(
    fast: Fast,
    graph: Mapping[str, Any],
    shapes: Mapping[str, Sequence[int]],
    node: Any,
    inputs: Sequence[str],
) -> Optional[Handle]:
    """Append a BiasAdd as an addition of rows as long as an example: of few channels it is slow.

    If its operands were rounded just before, channels are last, and `shapes` has its node. Not
    one after another: TensorFlow's optimizer would add up the two biases first.
    """
    shape, before = shapes.get(node.name, ()), graph.get(node_of(inputs[0]))
    if node.op != "BiasAdd" or len(shape) <= 2 or (before is not None and before.op == "BiasAdd"):
        return None
    if attribute(node, "data_format").s not in (b"", b"NHWC") or not fast.halves.keys() >= set(
        inputs
    ):
        return None
    nodes, int32, name = fast.nodes, fast.nodes.tf.int32, node.name
    value, bias = map(fast.begin, inputs)
    kinds = {"T": nodes.tf.float16, "Tshape": int32}
    flat, whole, times = (
        nodes.constant(np.array(each, np.int32), np.int32)
        for each in ([shape[0], np.prod(shape[1:])], shape, [np.prod(shape[1:-1])])
    )
    rows = nodes.add("Reshape", [value, flat], f"{name}/rows", **kinds)
    row = nodes.add("Tile", [bias, times], f"{name}/row", T=nodes.tf.float16, Tmultiples=int32)
    total = fast.step("AddV2", [rows, row], f"{name}/total")
    back = nodes.add("Reshape", [total, whole], f"{name}/back", **kinds)
    return fast.end(back, name, final=name)
