"""Sessions on the CPU, with the options that keep an emulated graph's bits."""

from __future__ import annotations

from typing import Any

from lenet_exp import tf_compat

_OFF = 2  # RewriterConfig.OFF


def open_session(graph: Any, threads: int, optimize: bool = True) -> Any:
    """Return a session of `graph` on the host that sees no GPU.

    `threads` is the number of both of TensorFlow's pools; 0: every core. `optimize`: have Grappler
    rewrite the graph, which costs more than it gains where a graph runs a few times only.
    """
    tf = tf_compat.load()
    config = tf.ConfigProto(
        intra_op_parallelism_threads=threads,
        inter_op_parallelism_threads=threads,
        device_count={"GPU": 0},
    )
    rewrite = config.graph_options.rewrite_options
    rewrite.disable_meta_optimizer = not optimize
    rewrite.remapping = _OFF  # as on the chip: it fuses, and then sums in another order
    rewrite.arithmetic_optimization = _OFF  # a (b c) for (a b) c, where that broadcasts less
    rewrite.constant_folding = _OFF  # x + (1 + 2) for (x + 1) + 2
    tf_compat.keep_on_host(config)
    with tf_compat.quiet():
        return tf_compat.session_class()(graph=graph, config=config)


def fix_threads(threads: int) -> None:
    """Have TensorFlow compute with so many threads (0: every core) until the process ends.

    The first session of a process settles it, and the number of any later one is ignored.
    """
    open_session(tf_compat.load().Graph(), threads).close()
