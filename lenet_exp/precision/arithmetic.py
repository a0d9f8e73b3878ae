"""Two ways to compute what float16 hardware would, in graphs whose tensors are float32.

`Exact` rounds, saturates and tests after every operation, with no shortcut. `Fast` computes in
TensorFlow's own float16 kernels, which round alike and leave infinity or NaN where the chip
saturates: its results count only where its check says that nothing overflowed.
"""

from __future__ import annotations

from typing import Callable, List, Optional, Sequence

import numpy as np

from lenet_exp.precision import rounding
from lenet_exp.precision.nodes import Nodes

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

    def rounded(self, tensor: str, name: str, final: Optional[str] = None) -> str:
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
        self.nodes.made[-1].input.extend(first)
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

    def end(self, value: str, name: str, final: Optional[str] = None, sure: bool = False) -> str:
        """Return a value in float32 again; `sure`: it can't be beyond 65504 (no matter here)."""
        return self.nodes.identity(value, name, final)


class Fast:
    """Casts and float16 kernels, and one test of whether that was all right."""

    flush = False  # those kernels keep subnormal values

    def __init__(self, nodes: Nodes, sums: Sequence[str] = ()) -> None:
        """Append to `nodes`; `sums` are tested with the rest."""
        self.nodes = nodes
        self.sums: List[str] = list(sums)  # float32 []: not finite where something overflowed

    def rounded(self, tensor: str, name: str, final: Optional[str] = None) -> str:
        """Return a float32 tensor cast to float16 and back."""
        half = self.nodes.cast(tensor, "float32", "float16", f"{name}/half")
        return self.end(half, name, final)

    def begin(self, tensor: str) -> str:
        """Return a float16-valued float32 tensor as float16."""
        return self.nodes.cast(tensor, "float32", "float16", f"{tensor.replace(':', '_')}/half")

    def constant(self, value: float) -> str:
        """Return a float16 scalar."""
        return self.nodes.constant(rounding.round_array(np.float32(value)), np.float16)

    def step(self, op: str, inputs: Sequence[str], name: str) -> str:
        """Return one float16 operation: TensorFlow's kernels round each once."""
        return self.nodes.add(op, inputs, name, T=self.nodes.tf.float16)

    def end(self, value: str, name: str, final: Optional[str] = None, sure: bool = False) -> str:
        """Return a value as float32, and have it tested unless `sure`."""
        wide = self.nodes.cast(value, "float16", "float32", f"{name}/rounded", final)
        if not sure:
            # Squares of at most 65504 add up to less than float32's largest; infinity stays.
            self.sums.append(self.nodes.float_op("L2Loss", [wide], f"{name}/sum"))
        return wide

    def all_clean(self, name: str) -> str:
        """Return bool []: nothing overflowed. Less is false for NaN too; never its negation."""
        if not self.sums:
            return self.nodes.constant(True, np.bool_)
        total = self.nodes.float_op("AddN", self.sums, f"{name}/total", N=len(self.sums))
        return self.nodes.float_op("Less", [total, self.nodes.constant(np.inf)], f"{name}/clean")
