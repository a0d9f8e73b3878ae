"""What a script's training steps were, as its sessions made them."""

from __future__ import annotations

import re
import statistics
from typing import Any, Dict, List, Optional, Sequence

import numpy as np

_LOSS = re.compile(r"(^|[/_])(total_)?loss(es)?(_\d+)?($|[/:])|loss$", re.IGNORECASE)
_SUMMARIES = ("ScalarSummary",)


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

    def add(self, count: int, seconds: float, overflows: float, skipped: int) -> None:
        """Add the steps of one call."""
        self.seconds.extend([seconds / count] * count)
        self.overflowed.extend([0.0] * (count - 1) + [overflows])
        self.skipped += skipped

    def is_noted(self) -> bool:
        """Return whether the last step is worth a line of its own in a record."""
        return bool(self.steps % 10 ** max(0, len(str(self.steps)) - 2) == 0)

    def loss(self, tensors: Sequence[Any], values: Sequence[Any]) -> None:
        """Keep the loss of the last step, if it is among what was fetched."""
        at = next((i for i, tensor in enumerate(tensors) if self._is_loss(tensor)), None)
        if at is not None and np.ndim(values[at]) == 0:
            self.losses[self.steps] = float(values[at])
        elif self.metric is not None:
            names = (t.name for t, value in zip(tensors, values) if np.ndim(value) == 0)
            self.numbers.update(dict.fromkeys(map(str, names)))

    def _is_loss(self, tensor: Any) -> bool:
        name = str(tensor.name)
        if self.metric is not None:
            return self.metric in {name, name.partition(":")[0]}
        if not tensor.dtype.is_floating or tensor.shape.ndims not in (0, None):
            return False
        readers = (op for op in tensor.consumers() if op.type in _SUMMARIES)
        return bool(_LOSS.search(name)) or any(_LOSS.search(op.name) for op in readers)

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
