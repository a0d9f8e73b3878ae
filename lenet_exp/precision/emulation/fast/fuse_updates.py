"""Updates fused into one: those of a group, on one tensor of all their elements."""

from __future__ import annotations

from typing import Any, Dict, FrozenSet, Iterable, List, Mapping, NamedTuple, Optional, Sequence

import numpy as np

from lenet_exp.precision.emulation.exact.optimizer_kernels import UPDATES, Update
from lenet_exp.precision.emulation.fast.shapes import Shape, variable_shape
from lenet_exp.precision.ir.builder import Handle, Nodes, data_inputs
from lenet_exp.precision.ir.names import node_of
from lenet_exp.precision.plan import Operator


def fuse_updates(
    nodes: Mapping[str, Any], order: Sequence[str], updates: Mapping[str, Operator]
) -> Dict[str, List[Operator]]:
    """Return the rows that are computed as one, by the last of their nodes in `order`.

    These are updates by the same rates that the same nodes wait for, none for another.
    """
    waiting: Dict[str, List[str]] = {}
    behind: Dict[str, FrozenSet[str]] = {}
    for name in order:
        before = [node_of(text) for text in nodes[name].input]
        for each in before:
            waiting.setdefault(each, []).append(name)
        found: FrozenSet[str] = frozenset().union(
            *(behind.get(each, frozenset()) for each in before)
        )
        behind[name] = found | {name} if name in updates else found
    alike: Dict[Any, List[str]] = {}
    for name in order:
        if name in updates:
            alike.setdefault(_key(nodes, nodes[name], updates[name], waiting), []).append(name)
    made: Dict[str, List[Operator]] = {}
    for names in alike.values():
        dependent = any(behind[name] & set(names) != {name} for name in names)
        for part in [[name] for name in names] if dependent else [names]:
            made[part[-1]] = [updates[name] for name in part]
    return made


def _key(nodes: Mapping[str, Any], node: Any, row: Operator, waiting: Mapping[str, Any]) -> Any:
    """Return what is the same in updates that can be fused."""
    known = UPDATES.get(row.ge_type)
    shape = None if known is None else variable_shape(nodes, node.input[0])
    if known is None or shape is None:
        return node.name
    rates = tuple(
        t for i, t in enumerate(node.input) if i >= known.variables and i != known.gradient
    )
    data = len(data_inputs(node.input))
    nesterov = node.attr["use_nesterov"].b if "use_nesterov" in node.attr else False
    return (node.op, data, nesterov, rates, tuple(sorted(waiting.get(node.name, ()))))


class Fusion(NamedTuple):
    """Updates of one kind as one: of variables and gradients a long one, of rates the first.

    `shapes` are those of the variables, one for each update; known if there are several.
    """

    update: Update
    shapes: Sequence[Any]

    def _is_long(self, place: int) -> bool:
        return place < self.update.variables or place == self.update.gradient

    def pack(self, nodes: Nodes, operands: Sequence[Sequence[str]], name: str) -> List[str]:
        """Return the operands of the one update; `operands` are those of each."""
        if len(operands) == 1:
            return list(operands[0])
        return [
            _concatenated(nodes, each, name) if self._is_long(place) else each[0]
            for place, each in enumerate(zip(*operands))
        ]

    def operand_shapes(self, count: int) -> List[Optional[Shape]]:
        """Return the shapes of so many packed operands; rates are scalars."""
        whole = self.shapes[0]
        if len(self.shapes) > 1:
            whole = (sum(int(np.prod(shape)) for shape in self.shapes),)
        return [whole if self._is_long(place) else () for place in range(count)]

    def unpack(self, nodes: Nodes, tensors: Sequence[str], name: str) -> Iterable[Sequence[str]]:
        """Return for each update its part of the packed tensors."""
        if len(self.shapes) == 1:
            return [tensors]
        return zip(*[_split(nodes, tensor, self.shapes, name) for tensor in tensors])


def _concatenated(nodes: Nodes, tensors: Sequence[str], name: str) -> str:
    """Return float32 tensors one after another, as one of one dimension."""
    flat = [nodes.reshape(each, [-1], f"{name}/flat") for each in tensors]
    kinds = {"Tidx": nodes.tf.int32, "N": len(flat)}
    inputs = [*flat, nodes.constant(0, np.int32)]
    return nodes.float_op("ConcatV2", inputs, f"{name}/line", **kinds)


def _split(nodes: Nodes, tensor: str, shapes: Sequence[Shape], name: str) -> List[Handle]:
    """Return the tensors of these shapes that `_concatenated` made one of."""
    sizes = nodes.constant(np.array([int(np.prod(shape)) for shape in shapes], np.int32), np.int32)
    kinds = {"Tlen": nodes.tf.int32, "num_split": len(shapes)}
    inputs = [tensor, sizes, nodes.constant(0, np.int32)]
    parts = nodes.float_op("SplitV", inputs, f"{name}/parts", **kinds).outputs(len(shapes))
    return [nodes.reshape(part, shape, f"{name}/part") for part, shape in zip(parts, shapes)]
