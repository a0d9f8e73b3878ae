"""What makes two runs the same job."""

from __future__ import annotations

import hashlib
import json
from typing import Dict

from lenet_exp.config.checkpoint_path import files_of, prefix_named
from lenet_exp.config.chip.machine import found
from lenet_exp.config.compose import flatten
from lenet_exp.config.schema.run import Settings, precision_files

# Keys that say where and how a run is kept, not what it computes.
_NOT_PART = (
    "tracking.",
    "data.path",
    "hardware.device",
    "hardware.on_refused",
    "resume",
    "schedule.checkpoint_every",
    "schedule.log_every",
)


def named_files(settings: Settings) -> Dict[str, bytes]:
    """Return what is in each file that the settings name, by its key."""
    files = precision_files(settings).items()
    return {f"precision.{key}": path.read_bytes() for key, path in files}


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
    kept = {key: value for key, value in flatten(settings).items() if is_part(key)}
    kept.update({**file_hashes(settings), **start_hash(settings)})
    kept.update({"hardware.name": found(settings.hardware.name), "data": data_hash, "stack": stack})
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:12]


def is_part(key: str) -> bool:
    """Return whether a setting says what a run computes, not where and how it is kept."""
    return not key.startswith(_NOT_PART)
