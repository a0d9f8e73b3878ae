"""How float16 hardware computes, in graphs whose tensors are float32: the interface, and `Exact`.

`Exact` rounds, saturates and tests after every operation, with no shortcut.
"""

from __future__ import annotations

import abc
from typing import Callable, List, Optional, Sequence

import numpy as np

from lenet_exp.precision.emulation.exact import rounding
from lenet_exp.precision.ir.builder import Handle, Nodes

# (float32 tensor about to be rounded, name) -> the node that its rounding waits for
Probe = Callable[[str, str], str]


class Arithmetic(abc.ABC):
    """Operations on float16 values, appended to `nodes`.

    Between operations a value has the arithmetic's own form: `begin` takes it there, `end` back
    to float32. `final` is always the exact name of the node that makes a result. `flush`:
    subnormal results become 0.
    """

    flush = False

    def __init__(self, nodes: Nodes) -> None:
        """Append to `nodes`."""
        self.nodes = nodes

    @abc.abstractmethod
    def rounded(self, tensor: str, name: str, final: Optional[str] = None) -> Handle:
        """Return a float32 tensor as the float16 values the chip holds, still as float32."""

    @abc.abstractmethod
    def begin(self, tensor: str) -> str:
        """Return a float16-valued float32 tensor in this arithmetic's own form."""

    @abc.abstractmethod
    def constant(self, value: float) -> str:
        """Return a scalar, rounded as the host does, in this arithmetic's own form."""

    @abc.abstractmethod
    def step(self, op: str, inputs: Sequence[str], name: str) -> str:
        """Return one operation, rounded once; inputs and output in this arithmetic's own form."""

    @abc.abstractmethod
    def end(self, value: str, name: str, final: Optional[str] = None, sure: bool = False) -> Handle:
        """Return a value in float32 again; `sure`: it can't be beyond 65504."""

    def hidden(self, value: str) -> str:
        """Return a value that a factor of 0 may hide."""
        return value


class Exact(Arithmetic):
    """The rules to the letter; a value's own form is float32. Source: precision-modes.md 8.3."""

    def __init__(self, nodes: Nodes, flush: bool = False, probe: Optional[Probe] = None) -> None:
        """Append to `nodes`; `probe` is called for each rounding."""
        super().__init__(nodes)
        self.clean: List[str] = []  # bool []: no overflow there
        self.flush = flush
        self._probe = probe

    def rounded(self, tensor: str, name: str, final: Optional[str] = None) -> Handle:
        """Return a tensor within +-65504, rounded to nearest, and have it tested."""
        first = [] if self._probe is None else [f"^{self._probe(tensor, name)}"]
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
        """Return the tensor."""
        return tensor

    def constant(self, value: float) -> str:
        """Return a scalar as the host converts it."""
        return self.nodes.constant(rounding.round_array(np.float32(value), self.flush))

    def step(self, op: str, inputs: Sequence[str], name: str) -> str:
        """Return one float32 operation, rounded."""
        wide = self._root(inputs[0], name) if op == "Sqrt" else None
        return self.rounded(wide or self.nodes.float_op(op, inputs, name), name)

    def _root(self, tensor: str, name: str) -> str:
        """Return a float32 square root; TensorFlow 1.15's own is not always rounded to nearest."""
        double = self.nodes.cast(tensor, "float32", "float64", f"{name}/double")
        root = self.nodes.add("Sqrt", [double], name, T=self.nodes.tf.float64)
        return self.nodes.cast(root, "float64", "float32", f"{name}/single")

    def end(self, value: str, name: str, final: Optional[str] = None, sure: bool = False) -> Handle:
        """Return the value under its name: it was tested when it was rounded."""
        return self.nodes.float_op("Identity", [value], name, final=final)
