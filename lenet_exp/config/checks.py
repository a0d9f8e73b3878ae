"""Rules that need more than one key, or the world outside the configuration."""

from __future__ import annotations

import os
from pathlib import Path

from lenet_exp.config import suggest
from lenet_exp.config.chip_machine import check_machine
from lenet_exp.config.schema import Settings
from lenet_exp.errors import ConfigError


def check_together(settings: Settings) -> None:
    """Raise ConfigError where keys that are possible one by one can't go together."""
    check_machine(settings)
    _check_data_path(settings)


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
