"""What the record says a run is, before it starts."""

from __future__ import annotations

import dataclasses
from typing import Dict

from lenet_exp import tf_compat
from lenet_exp.config import literals
from lenet_exp.config.compose import flatten
from lenet_exp.config.identity import config_hash, file_hashes, named_files, start_hash
from lenet_exp.experiment.backends import Backend
from lenet_exp.experiment.graphs import ChipPlan, has_float16
from lenet_exp.record.run import conditions
from lenet_exp.record.run.run_record import Identity

PLAN_FILE = "precision.csv"


def identify(
    backend: Backend,
    chip_plan: ChipPlan,
    data_sha256: str,
    configured: Dict[str, str],
    belongs_to: Dict[str, str],
) -> Identity:
    """Return name, settings, tags and files of a run.

    `data_sha256` is of the raw images and labels; `configured`: how TensorFlow was, and its
    version; `belongs_to`: tags of the sweep it is part of, of the run that it repeats.
    """
    settings, stack = backend.settings, tf_compat.stack()
    configured = {**configured, "threads": str(backend.threads)}
    mode, hashes = settings.precision.mode, file_hashes(settings)
    tags = {
        **belongs_to,
        "stack": stack,
        "hardware": backend.name,
        "device": backend.device,
        "precision": mode,
        "config_hash": config_hash(settings, data_sha256, stack),
        "emulated": str(backend.emulates and has_float16(chip_plan)).lower(),
        "data_sha256": data_sha256,
        "chip": str(chip_plan.verdict),
        **{key: str(number) for key, number in chip_plan.bytes_of_step.items()},
        **{key: sha256[:12] for key, sha256 in hashes.items()},
        **configured,
    }
    name = f"{mode}-{settings.loss_scale.name}-{settings.optimizer.name}-seed{settings.seed}"
    text = literals.to_yaml(dataclasses.asdict(settings))
    hashes.update(start_hash(settings))
    kept = conditions.files(data_sha256, backend.device, configured, hashes)
    kept.update({PLAN_FILE: chip_plan.csv, **named_files(settings)})
    return Identity(name, flatten(settings), text, tags, kept)
