"""Two ways to compute what float16 hardware would, in graphs whose tensors are float32.

`Exact` rounds, saturates and tests after every operation, with no shortcut. `Fast` computes in
TensorFlow's own float16 kernels, which round alike and leave infinity or NaN where the chip
saturates: its results count only where its check says that nothing overflowed.
"""

from __future__ import annotations

from typing import Callable, Dict, Iterable, List, Optional, Sequence

import numpy as np

from lenet_exp.precision.emulation.exact import rounding
from lenet_exp.precision.emulation.fast.overflow_checks import tested
from lenet_exp.precision.ir.builder import Handle, Nodes

# (float32 tensor about to be rounded, name) -> the node that its rounding waits for
Watch = Callable[[str, str], str]


class Exact:
    """The rules to the letter. Source: precision-modes.md 8.3."""

    def __init__(self, nodes: Nodes, flush: bool = False, watch: Optional[Watch] = None) -> None:
        """Append to `nodes`; `flush`: subnormal results become 0; `watch` is told each rounding."""
        self.nodes = nodes
        self.clean: List[str] = []  # bool []: no overflow there
        self.flush = flush
        self._watch = watch

    def rounded(self, tensor: str, name: str, final: Optional[str] = None) -> Handle:
        """Return a float32 tensor as the float16 values the chip holds.

        `final` is the exact name of the node that makes it.
        """
        first = [] if self._watch is None else [f"^{self._watch(tensor, name)}"]
        self.clean.append(rounding.in_range(self.nodes, tensor, f"{name}/check"))
        held = rounding.saturated(self.nodes, tensor, name)
        half = self.nodes.cast(held, "float32", "float16", f"{name}/half")
        given = None if self.flush else final
        made = self.nodes.cast(half, "float16", "float32", f"{name}/rounded", given)
        if self.flush:
            made = rounding.flushed(self.nodes, made, name, final)
        made.node.input.extend(first)
        return made

    def begin(self, tensor: str) -> str:
        """Return a float16-valued float32 tensor in this arithmetic's own form."""
        return tensor

    def constant(self, value: float) -> str:
        """Return a scalar as the host converts it."""
        return self.nodes.constant(rounding.round_array(np.float32(value), self.flush))

    def step(self, op: str, inputs: Sequence[str], name: str) -> str:
        """Return one operation, rounded; inputs and output in this arithmetic's form."""
        wide = self._root(inputs[0], name) if op == "Sqrt" else None
        return self.rounded(wide or self.nodes.float_op(op, inputs, name), name)

    def _root(self, tensor: str, name: str) -> str:
        """Return a float32 square root; TensorFlow 1.15's own is not always rounded to nearest."""
        double = self.nodes.cast(tensor, "float32", "float64", f"{name}/double")
        root = self.nodes.add("Sqrt", [double], name, T=self.nodes.tf.float64)
        return self.nodes.cast(root, "float64", "float32", f"{name}/single")

    def end(self, value: str, name: str, final: Optional[str] = None, sure: bool = False) -> Handle:
        """Return a value in float32 again; `sure`: it can't be beyond 65504 (no matter here)."""
        return self.nodes.identity(value, name, final)

    def hidden(self, value: str) -> str:
        """Return a value that a factor of 0 may hide; each rounding here is seen by itself."""
        return value


class Fast:
    """Casts and float16 kernels, and one test of whether that was all right."""

    flush = False  # those kernels keep subnormal values

    def __init__(self, nodes: Nodes) -> None:
        """Append to `nodes`."""
        self.nodes = nodes
        self.ends: List[str] = []  # float32: not finite where something overflowed
        self._halves: Dict[str, str] = {}  # a rounded tensor's float16 form

    def rounded(self, tensor: str, name: str, final: Optional[str] = None) -> Handle:
        """Return a float32 tensor cast to float16 and back."""
        half = self.nodes.cast(tensor, "float32", "float16", f"{name}/half")
        return self.end(half, name, final)

    def begin(self, tensor: str) -> str:
        """Return a float16-valued float32 tensor as float16."""
        if tensor not in self._halves:
            name = f"{tensor.replace(':', '_')}/half"
            self._halves[tensor] = self.nodes.cast(tensor, "float32", "float16", name)
        return self._halves[tensor]

    def can_add(self, tensor: str, bias: str) -> bool:
        """Return whether `begin` has the float16 form of both already."""
        return tensor in self._halves and bias in self._halves

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
