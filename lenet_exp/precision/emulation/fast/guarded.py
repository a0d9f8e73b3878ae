"""Rounding one by one, as little as that takes: only what overflowed is saturated and counted.

For what can't be computed twice as a whole: loops, branches, and what stands after a write.
"""

from __future__ import annotations

from typing import Any, Callable, List, Optional, Sequence

from lenet_exp.precision.emulation.exact.arithmetic import Arithmetic
from lenet_exp.precision.emulation.fast.bounds import ROUNDED, Bounds
from lenet_exp.precision.emulation.fast.cut_off import cut_off, saturating
from lenet_exp.precision.emulation.fast.saturating import certain_step
from lenet_exp.precision.ir.builder import Handle, Nodes

# (a node that runs only where something overflowed, name) -> the node that counts it
CountAfter = Callable[[str, str], str]


class Guarded(Arithmetic):
    """The letter's values; a branch that a rounding takes only where it overflowed makes them."""

    def __init__(self, nodes: Nodes, library: List[Any], count: CountAfter, bounds: Bounds) -> None:
        """Append to `nodes`, and to a library what saturates; `bounds` are of these nodes."""
        super().__init__(nodes)
        self._count_after, self._saturates = count, saturating(nodes)
        self._bounds = bounds
        library.append(self._saturates)

    def rounded(self, tensor: str, name: str, final: Optional[str] = None) -> Handle:
        """Return a float32 tensor as the float16 values the chip holds, still as float32."""
        if self._bounds.is_small(tensor):
            return self._bounds.cast(tensor, name, final)
        nodes = self.nodes
        half = nodes.cast(tensor, "float32", "float16", f"{name}/half")
        wide = nodes.cast(half, "float16", "float32", f"{name}/rounded")
        either = cut_off(nodes, wide, self._saturates, name)
        counted = self._count_after(either.held, name)
        again = nodes.float_op("Identity", [either.held], f"{name}/counted")
        again.node.input.append(f"^{counted}")
        held = nodes.float_op("Merge", [again, either.passed], f"{name}/held", final=final, N=2)
        self._bounds.put(held, ROUNDED)
        return held

    def step(self, op: str, inputs: Sequence[str], name: str, sure: bool = False) -> str:
        """Return one operation, rounded once; not guarded what can't overflow."""
        made = certain_step(self._bounds, op, inputs, name, sure)
        return super().step(op, inputs, name) if made is None else made
