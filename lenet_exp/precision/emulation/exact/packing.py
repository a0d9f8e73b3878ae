"""Float32 tensors of known shapes as one long tensor, and back, with few nodes."""

from __future__ import annotations

from typing import Dict, List, Sequence, Tuple

import numpy as np

from lenet_exp.precision.ir.builder import Nodes

Shape = Tuple[int, ...]
_SMALL = 16384  # elements: copying what is larger twice would cost more than the nodes it saves


class Packing:
    """An order of tensors of given shapes in a long one.

    Those that differ in their first dimension at most are neighbours: they are joined and parted
    as they are, without a Reshape of each.
    """

    def __init__(self, nodes: Nodes, shapes: Sequence[Shape], name: str) -> None:
        """Append to `nodes`, under names that begin with `name`."""
        self._nodes, self._shapes, self._name = nodes, shapes, name
        groups: Dict[object, List[int]] = {}
        for index, shape in enumerate(shapes):
            alike = (len(shape), *shape[1:])
            groups.setdefault(alike if _size(shape) <= _SMALL else index, []).append(index)
        self._groups = list(groups.values())
        self.size = sum(map(_size, shapes))

    def after(self, control: Sequence[str]) -> str:
        """Return a node that waits for others."""
        return self._nodes.add("NoOp", [], f"{self._name}/ready", control)

    def pack(self, tensors: Sequence[str], control: Sequence[str] = ()) -> str:
        """Return tensors, one of each shape, as one of one dimension.

        They may be variables' references; those are read after the nodes in `control`.
        """
        rows = []
        for group in self._groups:
            rank = len(self._shapes[group[0]])
            row = self._joined([tensors[index] for index in group], rank, control)
            rows.append(row if rank < 2 else self._nodes.reshape(row, [-1], f"{self._name}/flat"))
        return self._joined(rows, 1)

    def unpack(self, tensor: str) -> List[str]:
        """Return a long tensor's parts, in the order of the shapes."""
        sizes = [sum(_size(self._shapes[index]) for index in group) for group in self._groups]
        found: Dict[int, str] = {}
        for group, row in zip(self._groups, self._parted(tensor, sizes, "groups")):
            shapes = [self._shapes[index] for index in group]
            if not shapes[0]:
                found.update(zip(group, self._unstacked(row, len(group))))
                continue
            heights, rest = [shape[0] for shape in shapes], shapes[0][1:]
            if rest:
                row = self._nodes.reshape(row, [sum(heights), *rest], f"{self._name}/rows")
            found.update(zip(group, self._parted(row, heights, "parts")))
        return [found[index] for index in range(len(self._shapes))]

    def _joined(self, tensors: Sequence[str], rank: int, control: Sequence[str] = ()) -> str:
        """Return tensors of a rank as one; scalars as a vector."""
        nodes, name, count = self._nodes, f"{self._name}/joined", len(tensors)
        kinds = {"T": nodes.tf.float32, "N": count}
        if rank == 0:
            return nodes.add("Pack", tensors, name, control, axis=0, **kinds)
        if count > 1:
            inputs = [*tensors, nodes.constant(0, np.int32)]
            return nodes.add("ConcatV2", inputs, name, control, Tidx=nodes.tf.int32, **kinds)
        if control:
            return nodes.add("Identity", tensors, name, control, T=nodes.tf.float32)
        return tensors[0]

    def _parted(self, tensor: str, sizes: Sequence[int], what: str) -> List[str]:
        if len(sizes) == 1:
            return [tensor]
        nodes = self._nodes
        inputs = [tensor, nodes.constant(sizes, np.int32), nodes.constant(0, np.int32)]
        kinds = {"Tlen": nodes.tf.int32, "num_split": len(sizes)}
        made = nodes.float_op("SplitV", inputs, f"{self._name}/{what}", **kinds)
        return made.outputs(len(sizes))

    def _unstacked(self, tensor: str, count: int) -> List[str]:
        made = self._nodes.float_op("Unpack", [tensor], f"{self._name}/each", num=count, axis=0)
        return made.outputs(count)


def _size(shape: Shape) -> int:
    return int(np.prod(shape))
