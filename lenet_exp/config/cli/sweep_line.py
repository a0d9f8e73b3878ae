"""What of a command line is about a sweep: whether it is one, its jobs, and what fits together."""

from __future__ import annotations

import argparse
import re
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from hydra import compose
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.types import RunMode
from omegaconf import DictConfig

from lenet_exp.config.cli import suggest
from lenet_exp.config.compose import flatten
from lenet_exp.config.schema.run import SWEEP_KEYS, Settings

_LAUNCHER = "local"
_N_JOBS = "hydra.launcher.n_jobs"
_MAX_BATCH = "hydra.sweeper.max_batch_size"
_PER_PROCESS = ("threads", "deterministic")  # what TensorFlow takes once a process

# The jobs of a sweep as Hydra composes them, by all the overrides that they are composed of.
JobConfigs = Dict[Tuple[str, ...], DictConfig]


class Line(NamedTuple):
    """The overrides of a command line, those of a preset's sweep first, and whether it sweeps.

    `mode` is Hydra's, of a preset or by its key; None where nothing sets it.
    """

    overrides: List[Override]
    sweeps: bool
    mode: Optional[RunMode]


def read(overrides: Sequence[Override], args: argparse.Namespace, searched: Sequence[str]) -> Line:
    """Return the command line, a preset's own sweep included.

    Args:
        overrides: what was typed.
        args: the flags.
        searched: an override that has a person's own folder of options found.
    """
    mode, params = None, []
    plain = [str(item.input_line) for item in overrides if not item.is_sweep_override()]
    chosen = [item for item in overrides if item.key_or_group in (*suggest.PRESETS, "hydra.mode")]
    for item in chosen:
        if item.is_discrete_sweep():
            _check_no_sweep_of_sweeps(item, searched)
    if chosen:
        cfg = compose("config", [*searched, *plain], return_hydra_config=True)
        mode = cfg.hydra.mode
        of_preset = cfg.hydra.sweeper.get("params") or {}
        params = [f"{key}={value}" for key, value in of_preset.items()]
    only_asks = args.cfg is not None or args.help or args.info is not None
    sweeps = args.multirun or (mode == RunMode.MULTIRUN and not only_asks)
    preset = overrides_parser().parse_overrides(params) if sweeps else []
    return Line([*preset, *overrides], sweeps, mode)


def overrides_parser() -> OverridesParser:
    """Return Hydra's parser, inside a session of it."""
    return OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())


def _check_no_sweep_of_sweeps(override: Override, searched: Sequence[str]) -> None:
    for value in override.sweep_string_iterator():
        word = f"{override.key_or_group}={value}"
        cfg = compose("config", [*searched, word], return_hydra_config=True)
        if cfg.hydra.mode == RunMode.MULTIRUN:
            key, allowed = override.key_or_group, f"one sweep at a time; {value} is one"
            raise suggest.not_possible(key, typed_value(override), allowed, word)


def jobs(line: Line) -> Optional[List[List[str]]]:
    """Return the overrides of each job; None where another sweeper will choose them.

    Raises:
        ConfigError: something can't be swept over, or means nothing without a sweep.
    """
    for override in line.overrides:
        _check_override(override, line.sweeps)
    if not line.sweeps:
        return [[str(override.input_line) for override in line.overrides]]
    if _given(line, "hydra/sweeper"):
        return None
    # Hydra puts its own before those of each job.
    first = [str(one.input_line) for one in line.overrides if _is_of_hydra(one)]
    first += [] if line.mode == RunMode.MULTIRUN else ["hydra.mode=MULTIRUN"]
    swept = [one for one in line.overrides if not _is_of_hydra(one)]
    return [first + job for job in BasicSweeper.split_arguments(swept, max_batch_size=None)[0]]


def _is_of_hydra(override: Override) -> bool:
    return override.is_hydra_override() and not override.is_sweep_override()


def _check_override(override: Override, in_sweep: bool) -> None:
    key, value, word = override.key_or_group, typed_value(override), str(override.input_line)
    if in_sweep and key in SWEEP_KEYS and override.is_sweep_override():
        good = f"-m {key}={value.partition(',')[0]}"
        raise suggest.not_possible(key, value, "one value for the whole sweep", good)
    if not in_sweep and key in SWEEP_KEYS:
        allowed = "only with -m: it is about a sweep"
        raise suggest.not_possible(key, value, allowed, f"-m {word}")
    if not in_sweep and override.is_sweep_override():
        allowed = "one value; several only in a sweep, with -m"
        whole = suggest.whole_value(key, value)
        allowed = "in quotes, one value with commas" if whole else allowed
        raise suggest.not_possible(key, value, allowed, whole or f"-m '{word}'")


def check_compatible(line: Line, settings: Sequence[Settings]) -> None:
    """Refuse what one sweep can't have, given the settings of all its jobs."""
    keys = [key for key in flatten(settings[0]) if key.startswith("tracking.")]
    _check_same(settings, keys, "one store and experiment in a sweep; sweep once for each")
    launcher = _given(line, "hydra/launcher") or _LAUNCHER
    if launcher == _LAUNCHER:
        _check_launcher(line)
        return
    for key in SWEEP_KEYS[1:]:
        value = _given(line, key)
        if value is not None:
            allowed = f"only with hydra/launcher={_LAUNCHER}"
            raise suggest.not_possible(key, value, allowed, f"-m {key}={value}")
    why = f"one value with hydra/launcher={launcher}, whose jobs may share a process"
    _check_same(settings, _PER_PROCESS, why)


def _check_launcher(line: Line) -> None:
    at_a_time, batch = _given(line, _N_JOBS), _given(line, _MAX_BATCH)
    if at_a_time is not None and not re.fullmatch("[1-9][0-9]{0,3}", at_a_time):
        allowed = "a whole number, 1 or more"
        raise suggest.not_possible(_N_JOBS, at_a_time, allowed, f"-m {_N_JOBS}=2")
    if batch not in (None, "null"):
        allowed = "null; n_jobs says how many run at a time"
        raise suggest.not_possible(_MAX_BATCH, batch, allowed, f"-m {_N_JOBS}={batch}")


def _check_same(settings: Sequence[Settings], keys: Sequence[str], allowed: str) -> None:
    for key in keys:
        values = sorted({str(suggest.shown(flatten(job)[key])) for job in settings})
        if len(values) > 1:
            raise suggest.not_possible(key, ",".join(values), allowed, f"-m {key}={values[0]}")


def _given(line: Line, key: str) -> Optional[str]:
    values = [typed_value(override) for override in line.overrides if override.key_or_group == key]
    return values[-1] if values else None


def typed_value(override: Override) -> str:
    """Return the value as it was typed: a sweep has no other text."""
    return str(override.input_line).partition("=")[2] or "..."
