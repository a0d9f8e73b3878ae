"""The letter's values with fewer operations, where no flag and no trace is wanted.

TensorFlow's own cast leaves infinity where the chip saturates: that is cut off afterwards. NaN is
only looked for where it may come from: not in sums and products of numbers that float16 has.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Dict, Iterable, Mapping, Optional, Sequence

import numpy as np

from lenet_exp.precision.emulation.exact import rounding
from lenet_exp.precision.emulation.exact.arithmetic import Arithmetic
from lenet_exp.precision.emulation.fast.bounds import ROUNDED, Bounds
from lenet_exp.precision.emulation.fast.cut_off import cut_off
from lenet_exp.precision.ir.builder import Handle, Nodes

_CHOICES = frozenset(("Maximum", "Minimum", "Neg"))


def certain_step(
    bounds: Bounds, op: str, inputs: Sequence[str], name: str, sure: bool
) -> Optional[Handle]:
    """Append an operation of rounded float32 tensors that is not beyond 65504; None if it may be.

    Not rounded is what only chooses a value, or its sign.
    """
    if not sure and op not in _CHOICES:
        return None
    made = bounds.nodes.float_op(op, inputs, name)
    return made if op in _CHOICES else bounds.cast(made, name)


class Saturating(Arithmetic):
    """Casts, and what they leave beyond 65504 cut off; nothing is tested."""

    def __init__(
        self,
        nodes: Nodes,
        halves: Iterable[str] = (),
        cast: Mapping[str, str] = MappingProxyType({}),
        function: Any = None,
    ) -> None:
        """Append to `nodes`.

        Args:
            nodes: of a graph or of a function.
            halves: tensors from elsewhere that hold float16 values already.
            cast: float16 forms of others, infinite where that overflowed.
            function: of `cut_off.py`; saturates them where it has to.
        """
        super().__init__(nodes)
        self.bounds = Bounds(nodes, halves)
        self._cast, self._function = cast, function

    def rounded(self, tensor: str, name: str, final: Optional[str] = None) -> Handle:
        """Return a float32 tensor as the float16 values the chip holds, still as float32."""
        if tensor in self._cast:
            return self._where_needed(self._cast[tensor], name, final)
        if self.bounds.is_small(tensor):
            return self.bounds.cast(tensor, name, final)
        half = self.nodes.cast(tensor, "float32", "float16", f"{name}/half")
        wide = self.nodes.cast(half, "float16", "float32", f"{name}/rounded")
        return self._held(wide, self.bounds.is_number(tensor), name, self.nodes.tf.float32, final)

    def _held(
        self, tensor: str, is_number: bool, name: str, kind: Any, final: Optional[str] = None
    ) -> Handle:
        """Return float16 values within +-65504, NaN as 0; `kind` is their DType."""
        nodes, last = self.nodes, final if is_number else None
        least, most = (nodes.constant(end, kind.as_numpy_dtype) for end in ROUNDED)
        if kind == nodes.tf.float32:
            held = nodes.add(
                "ClipByValue", [tensor, least, most], f"{name}/held", final=last, T=kind
            )
        else:
            held = nodes.add("Minimum", [tensor, most], f"{name}/most", T=kind)
            held = nodes.add("Maximum", [held, least], f"{name}/held", final=last, T=kind)
        if not is_number:
            is_nan = nodes.add("IsNan", [tensor], f"{name}/nan", T=kind)
            zeros = nodes.add("ZerosLike", [tensor], f"{name}/zeros", T=kind)
            chosen = [is_nan, zeros, held]
            held = nodes.add("Select", chosen, f"{name}/number", final=final, T=kind)
        self.bounds.put(held, ROUNDED)
        return held

    def step(self, op: str, inputs: Sequence[str], name: str, sure: bool = False) -> str:
        """Return one operation, rounded once; not what only chooses a value, or its sign."""
        if all(self.bounds.of(text) is not None for text in inputs):
            made = certain_step(self.bounds, op, inputs, name, sure)
            if made is not None:
                return made
        return super().step(op, inputs, name)

    def _where_needed(self, half: str, name: str, final: Optional[str] = None) -> Handle:
        wide = self.nodes.cast(half, "float16", "float32", f"{name}/rounded")
        either = cut_off(self.nodes, wide, self._function, name)
        both = [either.held, either.passed]
        held = self.nodes.float_op("Merge", both, f"{name}/held", final=final, N=2)
        self.bounds.put(held, ROUNDED)
        return held


class SaturatingHalves(Saturating):
    """The same in TensorFlow's float16 kernels, which round once; a value's own form is float16."""

    def __init__(self, *given: Any) -> None:
        """Take what `Saturating` does."""
        super().__init__(*given)
        self._halves: Dict[str, str] = {}

    def begin(self, tensor: str) -> str:
        """Return a rounded tensor as float16."""
        if tensor not in self._halves:
            name = f"{tensor.replace(':', '_')}/half"
            half = self.nodes.cast(tensor, "float32", "float16", name)
            interval = self.bounds.of(tensor)
            if interval is not None:
                self.bounds.put(half, interval)
            self._halves[tensor] = half
        return self._halves[tensor]

    def constant(self, value: float) -> str:
        """Return a float16 scalar."""
        return self.nodes.constant(rounding.round_array(np.float32(value)), np.float16)

    def step(self, op: str, inputs: Sequence[str], name: str, sure: bool = False) -> str:
        """Return one float16 operation; not cut off what can't be beyond 65504."""
        kind = self.nodes.tf.float16
        made = self.nodes.add(op, inputs, name, T=kind)
        if not self.bounds.is_small(made):
            return self._held(made, self.bounds.is_number(made), name, kind)
        self.bounds.put_rounded(made)
        return made

    def end(self, value: str, name: str, final: Optional[str] = None, sure: bool = False) -> Handle:
        """Return a value in float32 again."""
        wide = self.nodes.cast(value, "float16", "float32", f"{name}/rounded", final)
        self.bounds.put(wide, self.bounds.of(value) or ROUNDED)
        self._halves[wide] = value
        return wide
