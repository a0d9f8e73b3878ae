"""Composed configuration -> Settings, with the checks that need one key at a time."""

from __future__ import annotations

import collections.abc
import functools
import json
import math
import os
import re
import struct
import time
from dataclasses import fields, is_dataclass
from typing import Any, Dict, Mapping, Union, get_type_hints

from omegaconf import DictConfig, OmegaConf

from lenet_exp.config import references
from lenet_exp.config.checks import check_precision, check_runnable
from lenet_exp.config.chip.checks import check_options
from lenet_exp.config.cli import suggest
from lenet_exp.config.schema.modes import by_one_name
from lenet_exp.config.schema.run import FAMILIES, SWEEP_KEYS, Settings, Sweep, all_keys
from lenet_exp.config.tracking import experiment_name
from lenet_exp.errors import ConfigError

# Shrinking 2**32 to a scale that float16 gradients hold takes 34 skipped steps
# (npu-bridge-contract.md, 4); a run of fewer than three times that would hardly train.
_SHORT_RUN = 100
# Of a composed configuration, what is no setting of a run.
_NOT_SETTINGS = ("experiment", "debug", *SWEEP_KEYS)


def register_resolvers() -> None:
    """Make the resolvers of conf/ known to OmegaConf; may be called again."""
    OmegaConf.register_new_resolver("sweep_folder", _sweep_folder, replace=True)
    OmegaConf.register_new_resolver("pid", os.getpid, replace=True)
    OmegaConf.register_new_resolver("first_loss_scale", _first_loss_scale, replace=True)
    OmegaConf.register_new_resolver("experiment_name", experiment_name, replace=True)


@functools.lru_cache(maxsize=None, typed=True)
def _sweep_folder(name: object) -> str:
    """Return the name of a sweep's folder; of one without a name, the time it began."""
    return time.strftime(f"%Y-%m-%d_%H-%M-%S-{os.getpid()}") if name is None else str(name)


def _first_loss_scale(epochs: Any, steps_per_epoch: Any) -> float:
    # A schedule that is wrong will be refused by its own key.
    whole = isinstance(epochs, int) and isinstance(steps_per_epoch, int)
    return 2.0**15 if whole and epochs * steps_per_epoch < _SHORT_RUN else 2.0**32


def resolve_sweep(cfg: DictConfig) -> Sweep:
    """Return what a composed configuration says of its sweep; raises ConfigError as `resolve`."""
    plain = _plain(cfg)
    sweep: Sweep = _build(Sweep, {key: plain[key] for key in SWEEP_KEYS if key in plain}, "")
    return sweep


def resolve(cfg: DictConfig, to_run: bool = True) -> Settings:
    """Return the checked settings of one composed configuration.

    Args:
        cfg: composed, not yet resolved.
        to_run: whether they are for a training on this machine; a plan needs neither its data
            nor an emulator.

    Raises:
        ConfigError: a key is missing, unknown, of a wrong type or impossible.
    """
    plain = {key: value for key, value in _plain(cfg).items() if key not in _NOT_SETTINGS}
    settings: Settings = _build(Settings, plain, "")
    check_options(settings)
    check_precision(settings)
    if to_run:
        check_runnable(settings)
    return settings


def _plain(cfg: DictConfig) -> Dict[str, Any]:
    with references.resolved():
        plain: Any = OmegaConf.to_container(cfg, resolve=True)
    return {str(key): value for key, value in plain.items() if key != "hydra"}


def _build(cls: type, mapping: Any, prefix: str) -> Any:
    if not isinstance(mapping, Mapping):
        group = prefix.rstrip(".")
        raise ConfigError(group, shown(mapping), "one of its options", suggest.command(group))
    hints = get_type_hints(cls)
    known = {item.name: item for item in fields(cls)}
    for name in mapping:
        if name not in known:
            raise suggest.unknown_key(prefix + str(name), mapping[name], cls, prefix)
    values: Dict[str, Any] = {}
    for name, item in known.items():
        dotted = prefix + name
        if name not in mapping:
            raise suggest.removed_key(dotted)
        hint = FAMILIES[name] if prefix == "" and name in FAMILIES else hints[name]
        if isinstance(hint, dict):
            values[name] = _build_family(dotted, hint, mapping[name])
        elif is_dataclass(hint):
            values[name] = _build(hint, mapping[name], dotted + ".")  # type: ignore[arg-type]
        else:
            values[name] = _checked(dotted, mapping[name], hint, item.metadata)
    return cls(**values)


def _build_family(group: str, options: Mapping[str, type], mapping: Any) -> Any:
    name = mapping.get("name") if isinstance(mapping, Mapping) else mapping
    if not isinstance(name, str) or name not in options:
        key = group + ".name" if isinstance(mapping, Mapping) else group
        raise ConfigError(key, shown(name), " | ".join(options), suggest.command(group))
    return _build(options[name], mapping, group + ".")


def _checked(dotted: str, value: Any, hint: Any, metadata: Mapping[str, Any]) -> Any:
    kept, allowed = typed(_as_text(value, metadata), hint), metadata["allowed"]
    if kept is None:
        return None
    if kept is not WRONG and metadata["check"](kept):
        used = _float32(kept) if isinstance(kept, float) else kept
        if metadata["check"](used) and (used != 0) == (kept != 0):
            return kept
        allowed += f", in float32 too (where it is {used:g})"
    mend = metadata.get("mend")
    instead = mend(value) if mend else metadata["good"]
    good = suggest.command(dotted, instead, all_keys()[dotted])
    raise ConfigError(dotted, shown(value), allowed, good)


def _as_text(value: Any, metadata: Mapping[str, Any]) -> Any:
    """Return what is to be text and YAML reads as something else, and a mode by its own name."""
    kind = metadata.get("text_of")
    if kind == "word" and isinstance(value, bool):
        return str(value).lower()
    if kind == "mode" and isinstance(value, str):
        return by_one_name(value)
    if kind == "json" and isinstance(value, Mapping):
        return json.dumps(value, sort_keys=True)
    return value


def _float32(value: float) -> float:
    """Return the number that TensorFlow computes with."""
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return math.inf


WRONG = object()
_QUOTED = re.compile(r"[-+]?[\d.]+(e[-+]?\d+)?$|true$|false$|null$", re.IGNORECASE)


def typed(value: Any, hint: Any) -> Any:
    """Return `value` in the type of the key, or WRONG; nothing is rounded, cut or guessed."""
    kind = getattr(hint, "__origin__", None)
    if kind is Union:  # Optional[X]
        return None if value is None else typed(value, hint.__args__[0])
    if kind is tuple:  # Tuple[X, ...]
        whole = isinstance(value, (list, tuple))
        return tuple(value) if whole and {*map(type, value)} <= {hint.__args__[0]} else WRONG
    if kind is collections.abc.Mapping:
        texts = isinstance(value, Mapping) and all(isinstance(name, str) for name in value)
        return dict(value) if texts else WRONG
    if hint is float and type(value) is int:
        return float(value)
    if hint is str and type(value) in (int, float):
        return str(value)  # an experiment named 2026
    return value if type(value) is hint else WRONG


def shown(value: Any) -> object:
    """Return a value as it was typed, or stands in a file."""
    if isinstance(value, str) and _QUOTED.match(value):
        return f"'{value}'"  # it was typed in quotes, and that is the mistake
    return suggest.shown(value)


def flatten(settings: Any, prefix: str = "") -> Dict[str, Any]:
    """Return dotted key -> value, in the order of the schema."""
    flat: Dict[str, Any] = {}
    for item in fields(settings):
        value = getattr(settings, item.name)
        if item.metadata.get("unset") and value is None:
            continue  # an option of the chip that is not sent is none of this run
        if is_dataclass(value):
            flat.update(flatten(value, prefix + item.name + "."))
        else:
            flat[prefix + item.name] = list(value) if isinstance(value, tuple) else value
    return flat
