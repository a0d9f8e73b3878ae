"""What makes two runs the same job."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any, Dict

from lenet_exp.config.checkpoint_path import files_of, prefix_named
from lenet_exp.config.chip.machine import found
from lenet_exp.config.chip.options import OWN
from lenet_exp.config.compose import flatten
from lenet_exp.config.schema.hardware import chip_of
from lenet_exp.config.schema.run import PLAN_FILES, Settings, chip_files, precision_files

# Keys that say where and how a run is kept, not what it computes.
_NOT_PART_BEFORE = (
    "tracking.",
    "data.path",
    "hardware.device",
    "hardware.on_refused",
    "resume",
    "schedule.checkpoint_every",
    "schedule.log_every",
)
_PLACES = ("directory", "existing_directory", "profiling")  # forms of an option
_NOT_PART = (
    *_NOT_PART_BEFORE,
    *(f"hardware.{option.key}" for option in OWN if option.form in _PLACES),
)
_BY_CONTENT = tuple(f"hardware.{key}" for key in PLAN_FILES)  # known by `named_files`


def named_files(settings: Settings) -> Dict[str, bytes]:
    """Return what is in each file that the settings name, by its key.

    What a plan reads is of `precision.`, whichever group it was typed for.
    """
    files = {f"precision.{key}": path for key, path in precision_files(settings).items()}
    files.update((f"hardware.{key}", path) for key, path in chip_files(settings).items())
    return {key: path.read_bytes() for key, path in files.items()}


def file_hashes(settings: Settings) -> Dict[str, str]:
    """Return SHA-256 of each file that the settings name, by its key."""
    return {key: hashlib.sha256(held).hexdigest() for key, held in named_files(settings).items()}


def start_hash(settings: Settings) -> Dict[str, str]:
    """Return SHA-256 of the checkpoint that a run starts from, by its key; none, if it is gone."""
    prefix = prefix_named(settings.init_from) if settings.init_from else None
    if prefix is None:
        return {}
    digest = hashlib.sha256()
    for path in files_of(prefix):
        digest.update(path.read_bytes())
    return {"init_from": digest.hexdigest()}


def config_hash(settings: Settings, data_hash: str, stack: str) -> str:
    """Return the job's identity: 12 hex digits over settings, their files, data and stack.

    Args:
        settings: the checked settings.
        data_hash: SHA-256 of the data's raw bytes.
        stack: "tf1" or "tf2".
    """
    on_chip = found(settings.hardware.name) != "cpu"
    hardware = chip_of(settings.hardware) if on_chip else settings.hardware  # auto is the same job
    flat = flatten(dataclasses.replace(settings, hardware=hardware))
    kept = {key: flat[key] for key in flat if is_part(key) and key not in _BY_CONTENT}
    return _hashed(kept, settings, data_hash, stack)


def former_hash(settings: Settings, data_hash: str, stack: str) -> str:
    """Return the identity by which earlier versions knew a job: on a CPU it is the same.

    Of a chip it had the paths of files and directories, and `auto` was another job.
    """
    flat = flatten(settings)
    kept = {key: flat[key] for key in flat if not key.startswith(_NOT_PART_BEFORE)}
    return _hashed(kept, settings, data_hash, stack)


def _hashed(kept: Dict[str, Any], settings: Settings, data_hash: str, stack: str) -> str:
    name = found(settings.hardware.name)
    also = {"hardware.name": name, "data": data_hash, "stack": stack}
    whole = {**kept, **file_hashes(settings), **start_hash(settings), **also}
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:12]


def is_part(key: str) -> bool:
    """Return whether a setting says what a run computes, not where and how it is kept."""
    return not key.startswith(_NOT_PART)
