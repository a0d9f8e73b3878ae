"""What makes two runs the same job."""

from __future__ import annotations

import hashlib
import json

from lenet_exp.config.chip_machine import found
from lenet_exp.config.resolve import flatten
from lenet_exp.config.schema import Settings

# Keys that say where and how a run is kept, not what it computes.
_NOT_PART = (
    "tracking.", "data.path", "resume", "schedule.checkpoint_every", "hardware.device",
)  # fmt: skip


def config_hash(settings: Settings, data_hash: str, stack: str) -> str:
    """Return the job's identity: 12 hex digits over settings, data and stack.

    Args:
        settings: the checked settings.
        data_hash: SHA-256 of the data's raw bytes.
        stack: "tf1" or "tf2".
    """
    kept = {k: v for k, v in flatten(settings).items() if not k.startswith(_NOT_PART)}
    kept["hardware.name"] = found(settings.hardware.name)
    text = json.dumps({**kept, "data": data_hash, "stack": stack}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
