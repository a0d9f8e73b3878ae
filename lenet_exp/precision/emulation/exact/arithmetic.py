"""How float16 hardware computes, in graphs whose tensors are float32."""

from __future__ import annotations

from typing import Callable, Dict, List, Optional, Sequence

import numpy as np

from lenet_exp.precision.emulation.exact import rounding
from lenet_exp.precision.ir.builder import Handle, Nodes

# (nodes, float32 tensor of them about to be rounded, name) -> what its rounding waits for
Probe = Callable[[Nodes, str, str], str]
# (bool []: no overflow there, name) -> the node that counts, which whoever takes the value awaits
Count = Callable[[str, str], str]


class Arithmetic:
    """Operations on float16 values, appended to `nodes`: rules to the letter, with no shortcut.

    Between operations a value has the arithmetic's own form, here float32: `begin` takes it
    there, `end` back to float32. `final` is always the exact name of the node that makes a
    result. Source: precision-modes.md 8.3.
    """

    def __init__(
        self,
        nodes: Nodes,
        flush: bool = False,
        probe: Optional[Probe] = None,
        count: Optional[Count] = None,
    ) -> None:
        """Append to `nodes`; `probe` is called for each rounding.

        `flush`: subnormal results become 0. `count` gets what else is added to `clean`.
        """
        self.nodes, self.flush = nodes, flush
        self.clean: List[str] = []  # bool []: no overflow there
        self.checks: Dict[str, str] = {}  # of them, those of rounded tensors
        self._probe, self._count = probe, count

    def rounded(self, tensor: str, name: str, final: Optional[str] = None) -> Handle:
        """Return a float32 tensor as the float16 values the chip holds, still as float32.

        Within +-65504, rounded to nearest, and tested.
        """
        first = [] if self._probe is None else [self._probe(self.nodes, tensor, name)]
        held = rounding.saturated(self.nodes, tensor, name)
        half = self.nodes.cast(held, "float32", "float16", f"{name}/half")
        given = None if self.flush else final
        made = self.nodes.cast(half, "float16", "float32", f"{name}/rounded", given)
        if self.flush:
            made = rounding.flushed(self.nodes, made, name, final)
        clean = rounding.in_range(self.nodes, tensor, f"{name}/check")
        # An update waits for what is made of a variable: so the check sees the same value.
        first.append(clean if self._count is None else self._count(clean, name))
        if self._count is None:
            self.clean.append(clean)
            self.checks[made] = clean
        made.node.input.extend(f"^{each}" for each in first)
        return made

    def begin(self, tensor: str) -> str:
        """Return a float16-valued float32 tensor in this arithmetic's own form."""
        return tensor

    def constant(self, value: float) -> str:
        """Return a scalar, rounded as the host does, in this arithmetic's own form."""
        return self.nodes.constant(rounding.round_array(np.float32(value), self.flush))

    def step(self, op: str, inputs: Sequence[str], name: str, sure: bool = False) -> str:
        """Return one operation, rounded once; inputs and output in this arithmetic's own form.

        `sure`: it can't be beyond 65504.
        """
        if op != "Sqrt":
            return self.rounded(self.nodes.float_op(op, inputs, name), name)
        return self.rounded(self._root(inputs[0], name), name)

    def _root(self, value: str, name: str) -> str:
        # TensorFlow 1.15's own float32 square root is not always rounded to nearest.
        double = self.nodes.cast(value, "float32", "float64", f"{name}/double")
        root = self.nodes.add("Sqrt", [double], name, T=self.nodes.tf.float64)
        return self.nodes.cast(root, "float64", "float32", f"{name}/single")

    def end(self, value: str, name: str, final: Optional[str] = None, sure: bool = False) -> Handle:
        """Return a value in float32 again; `sure`: it can't be beyond 65504."""
        return self.nodes.float_op("Identity", [value], name, final=final)

    def hidden(self, value: str) -> str:
        """Return a value that a factor of 0 may hide."""
        return value
