"""float16 by TensorFlow's own kernels, which round as the chip does.

They leave infinity or NaN where it saturates: what they compute counts only where nothing
overflowed, and one test says so.
"""

from __future__ import annotations

from typing import Dict, Iterable, List, Optional, Sequence

import numpy as np

from lenet_exp.precision.emulation.exact import rounding
from lenet_exp.precision.emulation.exact.arithmetic import Arithmetic
from lenet_exp.precision.emulation.fast.overflow_checks import tested
from lenet_exp.precision.ir.builder import Handle, Nodes


class Fast(Arithmetic):
    """Casts and float16 kernels; a value's own form is float16, its subnormals kept."""

    def __init__(self, nodes: Nodes) -> None:
        """Append to `nodes`."""
        super().__init__(nodes)
        self.ends: List[str] = []  # float32: not finite where something overflowed
        self._halves: Dict[str, str] = {}  # a rounded tensor's float16 form

    def rounded(self, tensor: str, name: str, final: Optional[str] = None) -> Handle:
        """Return a float32 tensor cast to float16 and back."""
        half = self.nodes.cast(tensor, "float32", "float16", f"{name}/half")
        return self.end(half, name, final)

    def begin(self, tensor: str) -> str:
        """Return a tensor as float16."""
        if tensor not in self._halves:
            name = f"{tensor.replace(':', '_')}/half"
            self._halves[tensor] = self.nodes.cast(tensor, "float32", "float16", name)
        return self._halves[tensor]

    def has_half(self, tensors: Iterable[str]) -> bool:
        """Return whether the float16 form of all these tensors is there already."""
        return all(tensor in self._halves for tensor in tensors)

    def constant(self, value: float) -> str:
        """Return a float16 scalar."""
        return self.nodes.constant(rounding.round_array(np.float32(value)), np.float16)

    def step(self, op: str, inputs: Sequence[str], name: str) -> str:
        """Return one float16 operation: TensorFlow's kernels round each once."""
        return self.nodes.add(op, inputs, name, T=self.nodes.tf.float16)

    def end(self, value: str, name: str, final: Optional[str] = None, sure: bool = False) -> Handle:
        """Return a value as float32, and have it tested unless `sure`."""
        wide = self.nodes.cast(value, "float16", "float32", f"{name}/rounded", final)
        self._halves[wide] = value
        if not sure:
            self.ends.append(wide)
        return wide

    def hidden(self, value: str) -> str:
        """Return a value, and have it tested: TensorFlow 1.15 folds its product with 0."""
        self.end(value, f"{value}/hidden")
        return value

    def sums(self, varying: Iterable[str] = ()) -> List[str]:
        """Append sums; return float32 [] tensors that are all finite if nothing overflowed.

        `varying` as `tested` takes it.
        """
        # Squares of at most 65504 add up to less than float32's largest; infinity stays.
        return [
            self.nodes.float_op("L2Loss", [each], f"{each}/sum")
            for each in tested(self.nodes.made, self.ends, varying)
        ]


def all_finite(nodes: Nodes, sums: Sequence[str], name: str) -> str:
    """Return bool []: all are finite. Less is false for NaN too; never its negation."""
    if not sums:
        return nodes.constant(True, np.bool_)
    total = nodes.float_op("AddN", sums, f"{name}/total", N=len(sums))
    return nodes.float_op("Less", [total, nodes.constant(np.inf)], f"{name}/clean")
