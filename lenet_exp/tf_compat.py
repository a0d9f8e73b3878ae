"""Every difference between TensorFlow 1.15 and TensorFlow 2's compat.v1, and TensorFlow's silence.

`configure`, before the first import of TensorFlow, says that this process is ours: `load` then puts
it in graph mode with ref variables and control flow of version 1 on both stacks, so that one graph
comes out. A process that never called it, a person's own program, stays as it is.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import tempfile
from typing import Any, Callable, ContextManager, Dict, Iterator

_EXACT = "--xla_cpu_enable_fast_math=false"  # else TensorFlow 1.15's XLA drops roundings
# ecosystem-facts.md, 2: silence, no Keras (half of TensorFlow 2's import), and oneDNN, without
# which TensorFlow 2 is about 2.5 times slower on CPUs where it is not the default.
_SETTINGS = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_USE_LEGACY_KERAS": "1",
    "TF_ENABLE_ONEDNN_OPTS": "1",
}
_configured: Dict[str, str] = {}  # what `configure` returned last

# What is around the import: a command says that it waits for it.
while_importing: Callable[[], ContextManager[None]] = contextlib.nullcontext


def configure(hide_gpus: bool, deterministic: bool) -> Dict[str, str]:
    """Set what TensorFlow reads at its import; return the settings that may change results.

    A person's own setting wins, unless `deterministic` promises the same bits.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    if deterministic:
        os.environ["TF_ENABLE_ONEDNN_OPTS"] = _SETTINGS["TF_ENABLE_ONEDNN_OPTS"]
    if stack_of_this_python() == "tf1" and "tensorflow" not in sys.modules:
        os.environ["XLA_FLAGS"] = exact_xla_flags(os.environ.get("XLA_FLAGS", ""))
    if hide_gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    onednn = os.environ["TF_ENABLE_ONEDNN_OPTS"] if sys.version_info >= (3, 8) else "none"
    _configured["onednn"] = onednn
    return dict(_configured)


def exact_xla_flags(flags: str) -> str:
    """Return XLA's flags with its fast mathematics off, unless they speak of it or name a file."""
    names_a_file = flags.strip()[:1] not in ("", "-")
    return flags if "fast_math" in flags or names_a_file else f"{flags} {_EXACT}".strip()


def look_for_no_clusters() -> None:
    """Have TensorFlow 1.15 compile only what a graph itself hands to XLA; before it is loaded.

    To look for more, and find nothing, is three quarters of its time with 70 000 nodes.
    """
    if stack_of_this_python() == "tf1" and "tensorflow" not in sys.modules:
        os.environ["TF_XLA_FLAGS"] = unclustered(os.environ.get("TF_XLA_FLAGS", ""))


def unclustered(flags: str) -> str:
    """Return TensorFlow's XLA flags with no clusters, unless they speak of them or name a file."""
    names_a_file = flags.strip()[:1] not in ("", "-")
    said = "clustering_fuel" in flags or names_a_file
    return flags if said else f"{flags} --tf_xla_clustering_fuel=0".strip()


def compiles_loops() -> bool:
    """Return whether float16 is faster in loops that XLA compiles, and these keep every bit."""
    given = os.environ.get("XLA_FLAGS", "").split()
    said = [flag for flag in given if flag.startswith(_EXACT.partition("=")[0])]
    exact = said[-1:] == [_EXACT] and given[0].startswith("-")
    # A TensorFlow built without XLA doesn't know the operator.
    return exact and stack_of_this_python() == "tf1" and op_def("XlaLaunch") is not None


def has_fast_float16() -> bool:
    """Return whether TensorFlow's float16 kernels are no slower than casts around float32 ones."""
    return stack_of_this_python() == "tf2"


def load() -> Any:
    """Return TensorFlow's version 1 API, the same on both stacks."""
    tf = _imported()
    if _configured:
        _use_graph_mode()
    return tf


@functools.lru_cache(maxsize=None)
def _imported() -> Any:
    if "tensorflow" in sys.modules:  # a person's: other threads may be writing to the screen
        import tensorflow  # noqa: PLC0415 - after `configure`

        return tensorflow.compat.v1
    with while_importing(), quiet():
        import tensorflow  # noqa: PLC0415 - after `configure`

        return tensorflow.compat.v1  # 1.15 is lazy: compat.v1 is what really loads it


@functools.lru_cache(maxsize=None)
def _use_graph_mode() -> None:
    """Switch the whole process, for good."""
    tf = _imported()
    tf.logging.set_verbosity(tf.logging.ERROR)
    if stack_of_this_python() == "tf2":
        tf.disable_v2_behavior()
    tf.disable_resource_variables()
    tf.disable_control_flow_v2()


@functools.lru_cache(maxsize=None)
def session_class() -> Any:
    """Return TensorFlow's own class of sessions: a script may have put another in its place."""
    load()
    from tensorflow.python.client import session  # noqa: PLC0415 - TensorFlow

    return session.Session


def op_def(op_type: str) -> Any:
    """Return the OpDef of a registered operator, or None. Shared: not to be modified."""
    if op_type not in _op_defs:
        found = _registered(op_type)
        if found is None:
            return None  # a library may register it yet
        _op_defs[op_type] = found
    return _op_defs[op_type]


_op_defs: Dict[str, Any] = {}


def _registered(op_type: str) -> Any:
    load()
    from tensorflow.python.framework import op_def_registry  # noqa: PLC0415 - after `load`

    if hasattr(op_def_registry, "get"):
        return op_def_registry.get(op_type)
    return op_def_registry.get_registered_ops().get(op_type)


def version() -> str:
    """Return TensorFlow's version."""
    return str(load().__version__)


def stack() -> str:
    """Return "tf1" or "tf2"."""
    return "tf" + version().split(".", maxsplit=1)[0]


def stack_of_this_python() -> str:
    """Return the stack this interpreter will load, without loading it."""
    return "tf1" if sys.version_info < (3, 8) else "tf2"


class _NoArrayError(NotImplementedError, TypeError):
    """A tensor of a graph has no values yet."""


def mend_shapes_of_tensors(ops: Any) -> None:
    """Have TensorFlow 1.15 take shapes with tensors in them, as in tf.zeros([tf.shape(x)[0], 2]).

    It waits for a TypeError, which NumPy gave before 1.20: scripts with cells of a recurrent
    network need it, and worked on the NumPy of their time. `ops` is the module that has Tensor.
    """
    if stack_of_this_python() != "tf1":
        return
    of_graph = ops.Tensor.__array__

    def array(self: Any, *args: Any) -> Any:
        try:
            return of_graph(self, *args)
        except NotImplementedError as error:
            raise _NoArrayError(*error.args) from error

    ops.Tensor.__array__ = array


def keep_on_host(config: Any) -> None:
    """Have a session run on the host though npu_bridge, once imported, takes every session.

    TensorFlow by itself knows no such optimizer and ignores the entry.
    """
    entry = config.graph_options.rewrite_options.custom_optimizers.add()
    entry.name = "NpuOptimizer"
    entry.parameter_map["use_off_line"].b = False


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep TensorFlow's C++ messages off the screen; show them if the block fails.

    Some come before any log level is read, so the descriptor itself is replaced.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as messages:
        os.dup2(messages.fileno(), 2)
        try:
            yield
        except Exception:
            messages.seek(0)
            os.write(kept, messages.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
