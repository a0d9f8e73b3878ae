"""Sessions on the CPU."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any, Optional

from lenet_exp import cpu_session, tf_compat
from lenet_exp.errors import HardwareError

NAME = "cpu"


def threads_for(threads: Optional[int], deterministic: bool, cores: int = 0) -> int:
    """Return TensorFlow's thread count; 0 means every core, or `cores` where not 0.

    Another count sums in another order, so `deterministic` fixes one that every machine has.
    """
    if threads is not None:
        return threads
    return 1 if deterministic else cores


def open_session(graph: Any, threads: int) -> Any:
    """Return a session of `graph` that sees no GPU; use it in a `with`.

    Raises:
        HardwareError: TensorFlow refused.
    """
    try:
        return cpu_session.open_session(graph, threads)
    except tf_compat.load().errors.OpError as error:
        remedy = "python -m lenet_exp.run threads=1"
        raise HardwareError("the CPU session", error.message, remedy) from error


def device() -> str:
    """Return the processor's name, as the system gives it."""
    return known_as("model name") or platform.processor() or platform.machine()


def known_as(*keys: str) -> str:
    """Return what the system says of the first processor under any of `keys`; nothing if none."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(keys)), "")
