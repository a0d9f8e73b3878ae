"""What the vendor's options are grouped in; none of these has an effect on a CPU."""

from __future__ import annotations

import enum
from typing import Any


class _Kept:
    """Keeps what it is given, and has no effect on a CPU."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.args, self.options = args, options


class ProfilingConfig(_Kept):
    """What the chip would profile."""


class MemoryConfig(_Kept):
    """How the chip would use its memory."""


class DumpConfig(_Kept):
    """What the chip would write of its tensors."""


class DynamicInputConfig(_Kept):
    """Which shapes the chip would compile for."""


class GraphMemoryOptimizeConfig(_Kept):
    """What the chip would compute twice."""


class ExperimentalConfig(_Kept):
    """What the chip may have one day."""


class NpuExecutePlacement(enum.Enum):
    """Where an operator runs."""

    ALL = "all"
    CUBE = "cube"
    VECTOR = "vector"
    TAISHAN = "taishan"
    DVPP = "dvpp"
