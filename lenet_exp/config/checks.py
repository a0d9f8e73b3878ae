"""Rules that need more than one key, or the world outside the configuration."""

from __future__ import annotations

import os
from pathlib import Path

from lenet_exp.config import suggest
from lenet_exp.config.schema import Settings
from lenet_exp.errors import ConfigError

# What trains today; the emulator will bring the other three.
_RUNS_UNCHANGED = "must_keep_origin_dtype"


def check_together(settings: Settings) -> None:
    """Raise ConfigError where keys that are possible one by one can't go together."""
    _check_hardware(settings)
    _check_data_path(settings)


def _check_hardware(settings: Settings) -> None:
    if settings.hardware.name == "ascend910":
        raise ConfigError(
            "hardware",
            "ascend910",
            "auto | cpu (this version can't drive the chip yet)",
            suggest.command("hardware"),
        )
    if settings.precision.mode != _RUNS_UNCHANGED:
        raise ConfigError(
            "precision",
            settings.precision.mode,
            f"{_RUNS_UNCHANGED} (the other modes are not emulated yet on hardware=cpu)",
            suggest.command("precision"),
        )


def _check_data_path(settings: Settings) -> None:
    if settings.data.path is None:
        return
    path = Path(settings.data.path).expanduser()
    if not path.exists():
        problem = "a folder that exists"
    elif not path.is_dir() and path.name != "mnist.npz":
        problem = "a folder, or a file mnist.npz"
    elif not os.access(str(path), os.R_OK):
        problem = "a folder that may be read (this one may not)"
    else:
        return
    raise ConfigError("data.path", settings.data.path, problem, suggest.PROGRAM + " data.path=null")
