"""The Ascend 910 through npu_bridge: the only file that imports it.

Whatever goes wrong there is ignored without a word or ends the process, so all that can be checked
is checked before: config/chip/checks.py, config/chip/machine.py. Source: npu-bridge-contract.md.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib
import inspect
import io
import os
from typing import Any, Callable, Dict, Iterator, Mapping, NamedTuple, Optional, Tuple

import numpy as np

from lenet_exp import tf_compat
from lenet_exp.config.chip.options import FIRST, TABLE
from lenet_exp.config.schema.hardware import Chip
from lenet_exp.errors import HardwareError
from lenet_exp.hardware.chip_config import Adapter, directories, session_config

NAME = "ascend910"
_CONFIGS = (
    "NPURunConfig", "DumpConfig", "MemoryConfig", "ExperimentalConfig", "ProfilingConfig",
    "GraphMemoryOptimizeConfig", "GraphParallelConfig", "DynamicInputConfig",
)  # fmt: skip
_DEVICE = "ASCEND_DEVICE_ID"
_MODULES = (
    "npu_config", "npu_loss_scale_manager", "npu_loss_scale_optimizer", "npu_optimizer", "util",
)  # fmt: skip
_REMEDIES = {  # by what its import says
    "hccl": "CANN's Python folder, which has hccl, on PYTHONPATH: source its set_env.sh",
    "tf_adapter": "the adapter's own package, whole: install CANN's tfplugin again",
    "": "the driver's and CANN's libraries on LD_LIBRARY_PATH: source CANN's set_env.sh",
}
_NO_LOOP = "hardware.iterations_per_loop=1, and tell us which adapter this is"


@functools.lru_cache(maxsize=None)
def _bridge() -> Any:
    """Import npu_bridge before any session is made; return its package of what a run uses."""
    said = io.StringIO()  # the loader's own words come on stdout
    try:
        with contextlib.redirect_stdout(said):
            # npu_init first: today's makes every later session one on the chip.
            from npu_bridge import npu_init  # noqa: F401, PLC0415 - TensorFlow, the device's library
            from npu_bridge.estimator import npu  # noqa: PLC0415

            for module in _MODULES:
                importlib.import_module(f"{npu.__name__}.{module}")
    except Exception as error:  # whatever its import meets
        lines = [line.strip() for line in said.getvalue().splitlines() if line.strip()]
        reason = f"{lines[-1]} ({error})" if lines else str(error)
        remedy = next(text for cause, text in _REMEDIES.items() if cause in str(error))
        raise HardwareError("npu_bridge", f"could not be imported: {reason}", remedy) from error
    return npu


def adapter() -> Adapter:
    """Return what this npu_bridge can do, by the features that it shows, not by its version.

    Raises:
        HardwareError: it can't be imported; says why, and the remedy.
    """
    config = _bridge().npu_config
    parameters: Dict[str, inspect.Parameter] = {}
    for name in _CONFIGS:
        if hasattr(config, name):
            parameters.update(inspect.signature(getattr(config, name).__init__).parameters)
    known = {
        key: row.since
        for key, row in TABLE.items()
        if row.since == FIRST or (row.probe or key) in parameters
    }
    typed = (key for key, row in TABLE.items() if row.boolean_until and key in parameters)
    boolean = frozenset(key for key in typed if isinstance(parameters[key].default, bool))
    newest = max(known.values())
    age = "of February 2021" if newest == FIRST else f"of {newest} or later"
    every = frozenset({*known, *parameters})
    return Adapter(every, "deterministic" in parameters, f"this npu_bridge ({age})", boolean)


def candidates(chip: Chip, environ: Mapping[str, str]) -> Tuple[int, ...]:
    """Return the devices a run may take, in order."""
    if chip.device != "auto":
        return (int(chip.device),)
    chosen = environ.get(_DEVICE) or environ.get("DEVICE_ID")
    return (int(chosen),) if chosen else tuple(chip.devices)


@contextlib.contextmanager
def named_in_environment(number: int) -> Iterator[None]:
    """Name a device where npu_bridge looks for it; comes before the first session.

    Until November 2023 the host's queue of batches ended on the environment's device, whatever a
    session asked for; every adapter opens that device too (chip-second-reading.md, 1).
    """
    before = os.environ.get(_DEVICE)
    _name_device(number)
    # npu_bridge closes the environment's queue when the process ends. Last in is first out.
    atexit.unregister(_name_device)
    atexit.register(_name_device, number)
    try:
        yield
    finally:  # another run of this process may have another device
        del os.environ[_DEVICE]
        if before is not None:
            os.environ[_DEVICE] = before


def _name_device(number: int) -> None:
    os.environ[_DEVICE] = str(number)


_first_options: Optional[Dict[str, Any]] = None


def open_session(graph: Any, sent: Mapping[str, Any], threads: int) -> Any:
    """Return a session of `graph` on the chip with the options `sent`; use it in a `with`.

    Raises:
        HardwareError: this process has had a session with other options of the process; a
            directory can't be made.
    """
    tf = tf_compat.load()
    _check_same_process_options(sent)
    try:
        for path in directories(sent):
            path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise HardwareError(
            str(error.filename), reason, "another directory, for the chip"
        ) from error
    # config by keyword: today's patch of Session fails on a third positional argument.
    return tf.Session(graph=graph, config=session_config(sent, threads))


def _check_same_process_options(sent: Mapping[str, Any]) -> None:
    """The first graph's values hold for the whole process; others would be ignored."""
    global _first_options  # noqa: PLW0603 - a process's state, as on the chip
    now = {key: value for key, value in sent.items() if key in TABLE and TABLE[key].init}
    if _first_options is None:
        _first_options = now
    if now != _first_options:
        differ = {*now.items()} ^ {*_first_options.items()}
        keys = ", ".join(sorted({key for key, _ in differ}))
        problem = f"this process has trained with another value of {keys}, which it keeps"
        raise HardwareError("the chip", problem, "a process for each run")


def wrap_optimizer(optimizer: Any, manager_of: Callable[[Any], Any]) -> Tuple[Any, Any]:
    """Return the vendor's optimizer around a TensorFlow one, and its loss scale (None: no scaling).

    `manager_of` (the vendor's managers) -> the one that updates the scale, or None. Without
    loss scaling there is no shortcut: a scale of 1 would read the status and skip steps.
    """
    npu = _bridge()
    inner = npu.npu_optimizer.NPUDistributedOptimizer(optimizer)
    manager = manager_of(npu.npu_loss_scale_manager)
    if manager is None:
        return inner, None
    scaled = npu.npu_loss_scale_optimizer.NPULossScaleOptimizer(inner, manager)
    return scaled, manager.get_loss_scale()


class DeviceInput(NamedTuple):
    """The device's batches: `images` float32 [batch, ...], `labels` int32 [batch].

    `initializer` is run alone, with the three placeholders `fed`: all images uint8 [n, ...], all
    labels uint8 [n], and int32 [steps, batch], which examples each step sees.
    """

    images: Any
    labels: Any
    initializer: Any
    fed: Tuple[Any, Any, Any]


def input_source(all_labels: Any, image_shape: Tuple[int, ...], batch_size: int) -> DeviceInput:
    """Return an iterator whose last part runs on the device, behind a queue of the host.

    It ends in a prefetch, which stays on the host: a map or batch there would move to the device.
    """
    tf = tf_compat.load()
    count = int(all_labels.shape[0])
    all_images = tf.placeholder(tf.uint8, [count, *image_shape], "all_images")
    order = tf.placeholder(tf.int32, [None, batch_size], "order")

    def batch(chosen: Any) -> Tuple[Any, Any]:
        pixels = tf.cast(tf.gather(all_images, chosen), tf.float32) * np.float32(1 / 255)
        return pixels, tf.cast(tf.gather(all_labels, chosen), tf.int32)

    # Endless, so that the queue never ends a run; no step beyond the order is made.
    rows = tf.data.Dataset.from_tensor_slices(order).repeat()
    iterator = tf.data.make_initializable_iterator(rows.map(batch).prefetch(2))
    images, labels = iterator.get_next()
    for tensor in (images, labels):
        if not tensor.shape.is_fully_defined():
            raise HardwareError("the chip", f"{tensor.name} has no static shape", _NO_LOOP)
    return DeviceInput(images, labels, iterator.initializer, (all_images, all_labels, order))


def loop(session: Any, train: Any, steps: int) -> Any:
    """Return the operation that makes `steps` steps a run; comes after every initialiser.

    Raises:
        HardwareError: the device would make one step, without a word.
    """
    with session.graph.as_default():
        looped = _bridge().util.set_iteration_per_loop(session, train, steps)
    if steps > 1 and looped.name != "IterationOp":
        raise HardwareError("the chip", f"its loop is called {looped.name}", _NO_LOOP)
    return looped
