"""Which loss scales lose no gradient: between what becomes 0 and what overflows. Pure."""

from __future__ import annotations

import math
from typing import List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from lenet_exp.precision.diagnosis.exponents import BIAS, BINS, Exponents, Site, Trace
from lenet_exp.precision.emulation.exact.rounding import LARGEST

_SUBNORMAL = -24  # the exponent of float16's least number
FLUSHED = 0.001  # the share of a gradient's values that may
_EXPONENTS = range(-100, 121)  # of the scales that are tried
_ROOM = 16.0  # between a scale and both ends, for gradients that the traced steps had not


class Window(NamedTuple):
    """The scales that a mode can be trained with; both ends are in it.

    `lower`: the smallest power of two with which at each site less than `FLUSHED` of the values
    that are not 0 become 0, and the site that needs it. `upper`: the largest scale with which
    nothing overflows and the scale's inverse is a number, and the site that ends there. None:
    nothing is float16. `trace`: what it was found in.
    """

    lower: float
    lower_site: Optional[Site]
    upper: float
    upper_site: Optional[Site]
    ranks: int = 1
    trace: Trace = Trace((), 0)

    @property
    def is_empty(self) -> bool:
        """Whether no scale does: none is below 1 (npu-bridge-contract.md, 4)."""
        return self.upper < max(1.0, self.lower)

    @property
    def recommended(self) -> Optional[float]:
        """A power of two in the middle, 1 or more; 1 where none is needed; None: none does."""
        if self.is_empty:
            return None
        if self.lower <= 1 / _ROOM and self.upper >= _ROOM:
            return 1.0
        middle = (math.log2(self.lower) + math.log2(min(self.upper, 2.0**120))) / 2
        return 2.0 ** min(max(0, round(middle)), math.floor(math.log2(self.upper)))


def window(found: Trace, ranks: int = 1) -> Window:
    """Return the window of some traced steps, for so many devices.

    Several devices add up the gradients of the variables in their own type before they divide
    (cluster.md, 6): at worst all have the largest value in the same place.
    """
    used = [each for each in found.sites if each.counts[1:].sum()]
    sites = [each for each in used if not each.site.is_inverse]
    if not sites:
        return Window(2.0 ** _EXPONENTS[0], None, math.inf, None, ranks, found)
    lower, below = max(((least_scale(each), each.site) for each in sites), key=_first)
    upper, above = min(((most_scale(each, ranks), each.site) for each in used), key=_first)
    return Window(lower, below, upper, above, ranks, found)


def _first(pair: Tuple[float, Site]) -> float:
    return pair[0]


def flushed_share(found: Exponents, scale: float) -> float:
    """Return the share of a site's values that a scale leaves at 0; `scale` a power of two."""
    begin = found.least - int(math.log2(scale)) + BIAS  # the first exponent that is kept
    counts = found.counts[1:]  # without 0 itself
    lost = counts[: max(0, min(begin, BINS) - 1)].sum()
    return float(lost / counts.sum()) if counts.sum() else 0.0


def least_scale(found: Exponents) -> float:
    """Return the smallest power of two that loses less than `FLUSHED` of a site's values."""
    fitting = (2.0**k for k in _EXPONENTS if flushed_share(found, 2.0**k) < FLUSHED)
    return next(fitting, 2.0 ** _EXPONENTS[-1])


def most_scale(found: Exponents, ranks: int = 1) -> float:
    """Return the largest scale with which nothing of a site overflows, or its inverse is 0."""
    if found.site.is_inverse:
        return found.largest / 2.0 ** max(found.least, _SUBNORMAL)
    added = ranks if found.site.is_last else 1
    return LARGEST / (found.largest * added) if found.largest else math.inf


def text(windows: Sequence[Window]) -> List[str]:
    """Return what a person reads, a window for each number of devices."""
    first = windows[0]
    steps = f"{first.trace.steps} exact steps{_batches(first.trace)}"
    lines = [f"loss scale, of {steps} (each gradient loses under {FLUSHED:.1%})"]
    for each in windows:
        devices = "1 device" if each.ranks == 1 else f"{each.ranks} devices"
        if each.lower_site is None or each.upper_site is None:
            return ["no gradient is float16: a loss scale changes nothing"]
        says = "from" if each.lower <= each.upper else "none: from"
        lines.append(f"  {devices}: {says} {shown(each.lower)} to {shown(each.upper)}")
    if first.lower_site is not None and first.upper_site is not None:
        above = first.upper_site
        ends = "overflows" if not above.is_inverse else "multiplies by 1/scale, which becomes 0"
        lines.append(f"  below, {first.lower_site.operator} becomes 0")
        lines.append(f"  above, {above.operator} {ends}")
    if first.trace.other is not None:
        said = f"step {first.trace.other} takes others"
        lines.append(f"  all steps were made with the branches of the first; {said}")
    lines.append(f"  {advice(windows[-1])}")
    return lines


def _batches(trace: Trace) -> str:
    if trace.batches is None or trace.batches >= trace.steps:
        return ""
    return f" of {trace.batches} batch{'es' if trace.batches > 1 else ''} over and over"


def advice(found: Window) -> str:
    """Return one recommendation, as settings of a run."""
    scale = found.recommended
    if found.upper < 1 and found.upper_site:
        return f"no scale does: {found.upper_site.operator} overflows even without one"
    if scale is None and found.lower_site and found.upper_site:
        return (
            f"no scale does: {found.lower_site.operator} needs a larger one than"
            f" {found.upper_site.operator} takes; one of both has to stay float32"
        )
    if scale == 1 or scale is None:
        return "recommended: loss_scale=none, for it is not needed"
    return f"recommended, in the middle: loss_scale=fixed loss_scale.value={scale:.17g}"


def shown(scale: float) -> str:
    """Return a scale as a power of two, or as a number where it is none."""
    if not np.isfinite(scale):
        return "any"
    power = math.log2(scale)
    return f"2^{int(power)}" if power == int(power) else f"2^{power:.1f}"
