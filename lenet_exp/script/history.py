"""What a script's training steps were, as its sessions made them."""

from __future__ import annotations

import re
import statistics
from typing import Any, Dict, List, Optional, Sequence

import numpy as np

_LOSS = re.compile(r"(^|[/_])(total_)?loss(es)?(_\d+)?($|[/:])|loss$", re.IGNORECASE)
# What else is computed in a scope of that name.
_MEASURE = re.compile(r"(^|_)((acc(uracy)?|precision|recall|auc|f1|iou|correct)s?(_|\d|$)"
                      r"|(scale|rate|step)s?(_?\d+)?$)", re.IGNORECASE)  # fmt: skip
_SUMMARIES = ("ScalarSummary",)
_UNSPOKEN = ("truediv", "value")  # names that TensorFlow gives, besides an operator's type
_NO_LOSS = 4


class History:
    """Steps, from 1: their seconds, what overflowed in them, which were skipped, and the loss."""

    def __init__(self, metric: Optional[str]) -> None:
        """Take the fetched number of the name `metric` as the loss; None: what is called so."""
        self.metric = metric
        self.seconds: List[float] = []
        self.overflowed: List[float] = []
        self.skipped = 0
        self.losses: Dict[int, float] = {}  # by step
        self.numbers: Dict[str, None] = {}  # names of all that a training step fetched
        self.scales: Dict[int, float] = {}

    @property
    def steps(self) -> int:
        """How many were made."""
        return len(self.seconds)

    def add(self, seconds: float, overflows: float, skipped: bool) -> None:
        """Add a step."""
        self.seconds.append(seconds)
        self.overflowed.append(overflows)
        self.skipped += skipped

    def is_noted(self) -> bool:
        """Return whether the last step is worth a line of its own in a record."""
        return bool(self.steps % 10 ** max(0, len(str(self.steps)) - 2) == 0)

    def loss(self, tensors: Sequence[Any], values: Sequence[Any]) -> None:
        """Keep the loss of the last step, if it is among what was fetched."""
        numbers = [(t, v) for t, v in zip(tensors, values) if _is_real(t) and np.ndim(v) == 0]
        ranked = [(self._rank(tensor), at) for at, (tensor, _) in enumerate(numbers)]
        rank, at = min(ranked, default=(_NO_LOSS, 0))
        if rank < _NO_LOSS:
            self.losses[self.steps] = float(numbers[at][1])
        elif self.metric is not None:
            self.numbers.update(dict.fromkeys(str(tensor.name) for tensor, _ in numbers))

    def _rank(self, tensor: Any) -> int:
        """Return how surely a number is the loss, 0 the surest."""
        name = str(tensor.name)
        if self.metric is not None:
            return 0 if self.metric in {name, name.partition(":")[0]} else _NO_LOSS
        if not tensor.dtype.is_floating:
            return _NO_LOSS
        readers = [op.name for op in tensor.consumers() if op.type in _SUMMARIES]
        own = _last_part(name)
        if _LOSS.search(own):
            return 0
        if any(_LOSS.search(_last_part(reader)) for reader in readers):
            return 1
        if _MEASURE.search(own) or not any(_LOSS.search(scope) for scope in (name, *readers)):
            return _NO_LOSS
        base = re.sub(r"_\d+$", "", own).lower()
        return 2 if base in _UNSPOKEN or tensor.op.type.lower().startswith(base) else 3

    def metrics(self) -> Dict[str, float]:
        """Return what is to be recorded of the last step."""
        step = self.steps
        known = {"loss": self.losses, "loss_scale": self.scales}
        found = {name: values[step] for name, values in known.items() if step in values}
        return {
            **found,
            "overflows": self.overflowed[-1],
            "skipped_steps": float(self.skipped),
            "sec_per_step": self.seconds[-1],
        }

    def sec_per_step(self) -> float:
        """Return the median of all steps but the first, which takes what is made once."""
        return statistics.median(self.seconds[1:] or self.seconds or [float("nan")])

    def text(self) -> str:
        """Return a sentence."""
        if not self.steps:
            return "no training step was made"
        hit = [number for number, count in enumerate(self.overflowed, 1) if count]
        first = f", the first in step {hit[0]}" if hit else ""
        parts = [
            f"{self.steps} steps, {self.sec_per_step():.4g} seconds a step",
            f"overflows in {len(hit)} of them{first}",
        ]
        parts += [f"{self.skipped} skipped"] if self.skipped else []
        if self.losses:
            parts.append(f"loss {self.losses[max(self.losses)]:.6g}")
        return "; ".join(parts)


def _is_real(tensor: Any) -> bool:
    return bool(tensor.dtype.is_floating or tensor.dtype.is_integer)


def _last_part(name: str) -> str:
    return name.partition(":")[0].rpartition("/")[2]
