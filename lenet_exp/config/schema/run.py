"""Every key a run has: its type, what it may be, and a value that works.

A group whose options have different keys is a family: one dataclass per option.
"""

from __future__ import annotations

import functools
import math
import re
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, Mapping, Optional, Tuple, Union, get_type_hints

from lenet_exp.config.passwords import without_password
from lenet_exp.config.schema.hardware import Ascend910, Hardware
from lenet_exp.config.schema.keys import key, one_of, switch, within
from lenet_exp.config.schema.launchers import LAUNCHERS
from lenet_exp.config.schema.modes import ALSO, PRECISION_MODES, RECOMMENDED

PRECISION_FILES = ("modify_mixlist", "customize_dtypes")
PLAN_FILES = (*PRECISION_FILES, "fusion_switch_file")  # the last one is of the chip's keys alone
# Of the chip's keys those of files that no plan reads and that change what the chip computes.
CHIP_FILES = ("op_precision_mode", "op_debug_config", "aoe_config_file")


def _above(low: int, good: float) -> Any:
    return key(f"a finite number above {low}", good, lambda value: low < value < math.inf)


def _count(good: int, high: int = 10**9, null: str = "") -> Any:
    return key(f"{null}a whole number, 1 or more", good, within(1, high))


def _text(allowed: str, good: str = "null") -> Any:
    return key(allowed, good, lambda value: value != "")


# The chip's manager: "loss scale must be at least 1." (npu-bridge-contract.md, 4). Beyond 2**126
# the reciprocal is no normal float32: it is flushed to 0, and every gradient with it.
def _scale(good: float) -> Any:
    return key("a number from 1 to 2**126 (8.5e37)", good, within(1, 2.0**126))


def _epsilon(good: float) -> Any:
    return key("a finite number, 0 or more", good, lambda value: 0 <= value < math.inf)


def _fraction(good: float) -> Any:
    return key("a number from 0 to below 1", good, lambda value: 0 <= value < 1)


@dataclass(frozen=True)
class Precision:
    """Which mode, what a person changes of its decisions, and how it is emulated.

    `modify_mixlist` and `customize_dtypes`: the vendor's files; `keep_dtype`: nodes or name
    scopes (precision-modes.md, 6.4 to 6.6). `trace_overflow`: count what each rounding loses;
    `flush_subnormals`: take what is below float16's smallest normal as 0, which the chip is
    thought not to do.
    """

    mode: str = one_of(*PRECISION_MODES, good=RECOMMENDED, text_of="mode", also=ALSO)
    modify_mixlist: Optional[str] = _text("null or a file")
    keep_dtype: Tuple[str, ...] = key("a list of nodes or name scopes of the graph", "[fc_3]", all)
    customize_dtypes: Optional[str] = _text("null or a file")
    trace_overflow: bool = switch()
    flush_subnormals: bool = key("true | false", "false")


@dataclass(frozen=True)
class NoLossScale:
    """No loss scaling, no overflow check."""

    name: str = one_of("none")


@dataclass(frozen=True)
class FixedLossScale:
    """A constant scale; steps that overflow are skipped."""

    name: str = one_of("fixed")
    value: float = _scale(1024)


@dataclass(frozen=True)
class DynamicLossScale:
    """The chip's exponential update (npu-bridge-contract.md, 4 and check 23)."""

    name: str = one_of("dynamic")
    init_loss_scale: float = _scale(2**32)
    incr_every_n_steps: int = _count(1000, 2**31 - 1)
    decr_every_n_nan_or_inf: int = _count(2, 2**31 - 1)
    incr_ratio: float = _above(1, 2)
    decr_ratio: float = key(
        "a number between 0 and 1, both excluded", 0.5, lambda value: 0 < value < 1
    )


@dataclass(frozen=True)
class Adam:
    """tf.train.AdamOptimizer."""

    name: str = one_of("adam")
    learning_rate: float = _above(0, 0.001)
    beta1: float = _fraction(0.9)
    beta2: float = _fraction(0.999)
    epsilon: float = _epsilon(1e-8)


@dataclass(frozen=True)
class Momentum:
    """tf.train.MomentumOptimizer."""

    name: str = one_of("momentum")
    learning_rate: float = _above(0, 0.01)
    momentum: float = _fraction(0.9)


@dataclass(frozen=True)
class Sgd:
    """tf.train.GradientDescentOptimizer."""

    name: str = one_of("sgd")
    learning_rate: float = _above(0, 0.1)


@dataclass(frozen=True)
class RMSProp:
    """tf.train.RMSPropOptimizer."""

    name: str = one_of("rmsprop")
    learning_rate: float = _above(0, 0.001)
    decay: float = _fraction(0.9)
    momentum: float = _fraction(0.0)
    epsilon: float = _epsilon(1e-10)


@dataclass(frozen=True)
class Data:
    """Which images; `path`: a person's own folder instead of the verified cache."""

    name: str = one_of("mnist")
    path: Optional[str] = _text("null, or a folder or a file that exists")


@dataclass(frozen=True)
class Schedule:
    """How long; `batch_size` in images, all others but `epochs` in steps.

    `log_every`: how many are measured as one; None for 100, or a tenth of a shorter epoch.
    """

    epochs: int = _count(5, 10**6)
    steps_per_epoch: int = _count(1000)
    batch_size: int = key("a whole number from 1 to 55000 (the training set)", 64, within(1, 55000))
    checkpoint_every: int = _count(500)
    log_every: Optional[int] = _count(100, null="null or ")


@dataclass(frozen=True)
class Tracking:
    """Where MLflow records; `uri` None: MLflow's own default."""

    # The settings are recorded, and a password must not be.
    uri: Optional[str] = key(
        "null or an MLflow tracking URI; one with a password only as MLFLOW_TRACKING_URI",
        "null",
        lambda value: value != "" and value == without_password(value),
    )
    experiment: str = key("a name", "lenet-exp", lambda value: value.strip() != "")


LossScale = Union[NoLossScale, FixedLossScale, DynamicLossScale]
Optimizer = Union[Adam, Momentum, Sgd, RMSProp]


@dataclass(frozen=True)
class Settings:
    """One run, whole and checked."""

    precision: Precision
    loss_scale: LossScale
    optimizer: Optimizer
    hardware: Hardware
    data: Data
    schedule: Schedule
    tracking: Tracking
    # TensorFlow's graph seed and numpy's RandomState both take 32 bits.
    seed: int = key("a whole number from 0 to 2147483647", 0, within(0, 2**31 - 1))
    deterministic: bool = switch()
    threads: Optional[int] = key("null or a whole number from 1 to 1024", 2, within(1, 1024))
    # Taken from the command line before any configuration is composed: resume.py.
    resume: Optional[str] = key(
        "null; a run is named on the command line only", "latest", lambda value: False
    )
    init_from: Optional[str] = _text(
        "null, a checkpoint (PREFIX of PREFIX.index), or a folder that holds one"
    )
    exclude: Tuple[str, ...] = key(
        "[] or scopes of the network, such as [fc_3]", "[fc_3]", lambda value: "" not in value
    )


@dataclass(frozen=True)
class Sweep:
    """What a sweep (-m) does with its jobs; none of it is part of a job."""

    # It names a folder, and the runs in MLflow.
    sweep: Optional[str] = key(
        "null or a name of letters, digits, dots, - and _, but not latest",
        "mine",
        re.compile(r"(?!latest$)[A-Za-z0-9][A-Za-z0-9_.-]{0,99}").fullmatch,
    )
    dry_run: bool = switch()
    fail_fast: bool = switch()
    detach: bool = switch()
    on_changed_code: str = one_of("keep", "redo")
    reference: Optional[str] = _text("null or a precision mode")
    seeds_until: Optional[str] = key("null | decided", "decided", ("decided",).__contains__)
    max_seeds: int = key("a whole number from 2 to 1000", 20, within(2, 1000))


_FOLDERS_OF_HYDRA = ("hydra.run.dir", "hydra.sweep.dir")
SWEEP_KEYS = tuple(item.name for item in fields(Sweep))


def precision_files(settings: Settings) -> Dict[str, Path]:
    """Return the vendor's files that decide types, by key: of the precision, or of the chip."""
    named = {
        key: getattr(settings.precision, key, None) or getattr(settings.hardware, key, None)
        for key in PLAN_FILES
    }
    return _paths(named)


def chip_files(settings: Settings) -> Dict[str, Path]:
    """Return the files of CHIP_FILES that are named, by key."""
    return _paths({key: getattr(settings.hardware, key, None) for key in CHIP_FILES})


def _paths(named: Mapping[str, Optional[str]]) -> Dict[str, Path]:
    return {key: Path(name).expanduser() for key, name in named.items() if name is not None}


# A family's options; the key `name` says which one a mapping is.
FAMILIES: Dict[str, Dict[str, type]] = {
    "hardware": {"auto": Hardware, "cpu": Hardware, "ascend910": Ascend910},
    "loss_scale": {"none": NoLossScale, "fixed": FixedLossScale, "dynamic": DynamicLossScale},
    "optimizer": {"adam": Adam, "momentum": Momentum, "sgd": Sgd, "rmsprop": RMSProp},
}


@functools.lru_cache(maxsize=None)
def groups() -> Dict[str, Tuple[type, ...]]:
    """Return group name -> the dataclasses its options may be."""
    return {
        name: tuple(dict.fromkeys(FAMILIES[name].values())) if name in FAMILIES else (hint,)
        for name, hint in get_type_hints(Settings).items()
        if name in FAMILIES or is_dataclass(hint)
    }


def _declared(dotted: str) -> Iterator[Tuple[Any, Mapping[str, Any]]]:
    """Yield the type and the metadata of a key, in each option that has it."""
    group, _, leaf = dotted.rpartition(".")
    of_group = LAUNCHERS.values() if group == "hydra.launcher" else groups().get(group, ())
    for cls in of_group if group else (Settings, Sweep):
        for item in fields(cls):
            if item.name == leaf and item.metadata:
                yield get_type_hints(cls)[leaf], item.metadata


def takes_text(dotted: str, value: str) -> bool:
    """Return whether a key takes a text of a person's own choice, and this one."""
    return dotted in _FOLDERS_OF_HYDRA or any(
        hint in (str, Optional[str])
        and "options" not in metadata
        and bool(metadata["check"](value))
        for hint, metadata in _declared(dotted)
    )


def what_works(dotted: str) -> Tuple[str, object]:
    """Return what a key of `all_keys` may be in words, and a value of it, as a shell takes it."""
    return next((metadata["allowed"], metadata["good"]) for _, metadata in _declared(dotted))


@functools.lru_cache(maxsize=None)
def all_keys() -> Dict[str, Tuple[str, ...]]:
    """Return every key of every option, dotted -> the names of the options that have it."""
    found: Dict[str, Tuple[str, ...]] = {}
    for group, options in groups().items():
        for option in options:
            owners = [name for name, cls in FAMILIES.get(group, {}).items() if cls is option]
            for item in fields(option):
                dotted = f"{group}.{item.name}"
                found[dotted] = (*found.get(dotted, ()), *owners)
    others = (item.name for item in (*fields(Settings), *fields(Sweep)))
    return {**found, **{name: () for name in others if name not in groups()}}
