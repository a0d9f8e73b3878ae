"""Rules that need more than one key, or the world outside the configuration."""

from __future__ import annotations

import os
from pathlib import Path

from lenet_exp.config.checkpoint_path import prefix_named
from lenet_exp.config.chip.machine import check_machine
from lenet_exp.config.cli import suggest
from lenet_exp.config.schema.run import PRECISION_FILES, Settings
from lenet_exp.errors import ConfigError


def check_together(settings: Settings) -> None:
    """Raise ConfigError where keys that are possible one by one can't go together."""
    check_machine(settings)
    _check_data_path(settings)
    _check_start(settings)


def check_precision(settings: Settings) -> None:
    """Raise ConfigError for a file that this mode or generation has not, or can't be read."""
    precision, cann = settings.precision, settings.hardware.cann
    if precision.modify_mixlist is not None and precision.mode != "allow_mix_precision":
        remedy = (
            f"precision=allow_mix_precision precision.modify_mixlist={precision.modify_mixlist}"
        )
        allowed = f"only with allow_mix_precision: {precision.mode} has no lists"
        raise _not_possible("modify_mixlist", precision.modify_mixlist, allowed, remedy)
    for key in PRECISION_FILES:
        name, of_chip = getattr(precision, key), getattr(settings.hardware, key, None)
        if name is None:
            continue
        if of_chip is not None:
            remedy = f"precision.{key}={name}"
            raise _not_possible(key, name, f"one of it and hardware.{key}={of_chip}", remedy)
        if cann != "today":
            allowed = f"only with hardware.cann=today: the adapter of {cann} has no such option"
            remedy = f"hardware.cann=today precision.{key}={name}"
            raise _not_possible(key, name, allowed, remedy)
        try:
            Path(name).expanduser().read_bytes()
        except (OSError, RuntimeError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            allowed = f"null or a file that can be read ({reason})"
            raise _not_possible(key, name, allowed, f"precision.{key}=null") from error


def _not_possible(key: str, value: str, allowed: str, remedy: str) -> ConfigError:
    return ConfigError(f"precision.{key}", value, allowed, f"{suggest.PROGRAM} {remedy}")


def _check_data_path(settings: Settings) -> None:
    if settings.data.path is None:
        return
    try:
        problem = _data_path_problem(Path(settings.data.path).expanduser())
    except (OSError, RuntimeError) as error:  # no permission on the way there; no such ~user
        reason = getattr(error, "strerror", None) or error
        problem = f"a folder that can be reached ({reason})"
    if problem:
        good = suggest.PROGRAM + " data.path=null"
        raise ConfigError("data.path", settings.data.path, problem, good)


def _data_path_problem(path: Path) -> str:
    if not path.exists():
        return "a folder that exists"
    if not path.is_dir() and path.name != "mnist.npz":
        return "a folder, or a file mnist.npz"
    if not os.access(str(path), os.R_OK | os.X_OK if path.is_dir() else os.R_OK):
        return "a folder that may be read (this one may not)"
    return ""


def _check_start(settings: Settings) -> None:
    start, excluded = settings.init_from, ",".join(settings.exclude)
    if start is None and excluded:
        remedy = f"{suggest.PROGRAM} init_from=DIR 'exclude=[{excluded}]'"
        raise ConfigError("exclude", f"[{excluded}]", "only with init_from=", remedy)
    if start is not None and prefix_named(start) is None:
        allowed = "a checkpoint (PREFIX of the files PREFIX.index and PREFIX.data-*), its folder,"
        allowed += " or a run folder that has one"
        raise ConfigError("init_from", start, allowed, f"{suggest.PROGRAM} init_from=DIR")
