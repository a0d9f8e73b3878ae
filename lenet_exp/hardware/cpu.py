"""Sessions on the CPU."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any, Optional

from lenet_exp import tf_compat
from lenet_exp.errors import HardwareError

NAME = "cpu"
_OFF = 2  # RewriterConfig.OFF


def threads_for(threads: Optional[int], deterministic: bool, cores: int = 0) -> int:
    """Return TensorFlow's thread count; 0 means every core, or `cores` where not 0.

    Another count sums in another order, so `deterministic` fixes one that every machine has.
    """
    if threads is not None:
        return threads
    return 1 if deterministic else cores


def fix_threads(threads: int) -> None:
    """Have TensorFlow compute with so many threads (0: every core) until the process ends.

    The first session of a process settles it, and the number of any later one is ignored.
    """
    config = _config(threads)
    tf_compat.keep_on_host(config)
    with tf_compat.quiet():
        tf_compat.load().Session(graph=tf_compat.load().Graph(), config=config).close()


def _config(threads: int) -> Any:
    return tf_compat.load().ConfigProto(
        intra_op_parallelism_threads=threads,
        inter_op_parallelism_threads=threads,
        device_count={"GPU": 0},
    )


def open_session(graph: Any, threads: int) -> Any:
    """Return a session of `graph` that sees no GPU; use it in a `with`.

    Raises:
        HardwareError: TensorFlow refused.
    """
    tf, config = tf_compat.load(), _config(threads)
    rewrite = config.graph_options.rewrite_options
    rewrite.remapping = _OFF  # as on the chip: it fuses, and then sums in another order
    rewrite.arithmetic_optimization = _OFF  # a (b c) for (a b) c, where that broadcasts less
    rewrite.constant_folding = _OFF  # x + (1 + 2) for (x + 1) + 2
    try:
        with tf_compat.quiet():
            return tf.Session(graph=graph, config=config)
    except tf.errors.OpError as error:
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
