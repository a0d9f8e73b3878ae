"""Rounding one by one, as little as that takes: only what overflowed is saturated and counted.

For what can't be computed twice as a whole: loops, branches, and what stands after a write.
"""

from __future__ import annotations

from typing import Any, Callable, List, Optional, Sequence

import numpy as np

from lenet_exp.precision.emulation.exact import rounding
from lenet_exp.precision.emulation.exact.arithmetic import Arithmetic
from lenet_exp.precision.emulation.fast.saturating import certain_step
from lenet_exp.precision.ir.builder import Handle, Nodes
from lenet_exp.precision.ir.functions import Typed, function_of, named

# (a node that runs only where something overflowed, name) -> the node that counts it
CountAfter = Callable[[str, str], str]


class Guarded(Arithmetic):
    """The letter's values; a branch that a rounding takes only where it overflowed makes them."""

    def __init__(self, nodes: Nodes, library: List[Any], count: CountAfter) -> None:
        """Append to `nodes`, and to a library what saturates."""
        super().__init__(nodes)
        self._count_after, self._saturates = count, _saturating(nodes)
        library.append(self._saturates)

    def rounded(self, tensor: str, name: str, final: Optional[str] = None) -> Handle:
        """Return a float32 tensor as the float16 values the chip holds, still as float32."""
        nodes = self.nodes
        half = nodes.cast(tensor, "float32", "float16", f"{name}/half")
        wide = nodes.cast(half, "float16", "float32", f"{name}/rounded")
        # Squares of at most 65504 add up to less than float32's largest; infinity and NaN stay.
        total = nodes.float_op("L2Loss", [wide], f"{name}/sum")
        clean = nodes.float_op("Less", [total, nodes.constant(np.inf)], f"{name}/clean")
        either = nodes.float_op("Switch", [wide, clean], f"{name}/either")
        # A call, not its nodes: what does not run costs a step as much as what does, a node each.
        kind = [nodes.tf.float32]
        held = nodes.add("PartitionedCall", [either], f"{name}/saturated", Tin=kind, Tout=kind)
        held.node.attr["f"].func.name = self._saturates.signature.name
        counted = self._count_after(held, name)
        again = nodes.float_op("Identity", [held], f"{name}/counted")
        again.node.input.append(f"^{counted}")
        return nodes.float_op("Merge", [again, f"{either}:1"], f"{name}/held", final=final, N=2)

    def step(self, op: str, inputs: Sequence[str], name: str, sure: bool = False) -> str:
        """Return one operation, rounded once; not guarded what can't overflow."""
        return certain_step(self.nodes, op, inputs, name, sure) or super().step(op, inputs, name)


def _saturating(nodes: Nodes) -> Any:
    """Return the function that saturates float16 values in float32, infinity and NaN among them."""
    inner = Nodes()
    held = rounding.saturated(inner, "given", "held")
    kind = nodes.tf.float32
    made = function_of([Typed("given", kind)], inner.made, [Typed(held, kind)])
    made.attr["_noinline"].b = True
    return named(made, "saturate")
