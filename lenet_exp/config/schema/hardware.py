"""The keys of the group hardware; the chip has one for each option of npu_bridge."""

from __future__ import annotations

import re
from dataclasses import dataclass, make_dataclass
from typing import Any, Mapping, Optional, Tuple

from lenet_exp.config.chip import options
from lenet_exp.config.schema.keys import key, one_of, within


@dataclass(frozen=True)
class Hardware:
    """Where the session runs, and what is done about the chip.

    `cann`: the generation of the chip's compiler that plans are made for; `on_refused`: what a
    run does whose graph the chip would not compile.
    """

    name: str = one_of("auto", "cpu", "ascend910")
    cann: str = one_of("today", "2021")
    on_refused: str = one_of("warn", "error")


@dataclass(frozen=True)
class Chip(Hardware):
    """An Ascend 910. Besides, a key for each row of options.OWN, None where it is not sent.

    `device`: its number, or auto for a free one of `devices`; `iterations_per_loop`: steps a
    session call, None for the most up to 10 that fit the schedule; `extra`: options of npu_bridge
    that have no key, by the type of their value.
    """

    device: str = key(
        "auto, or the number of a device", "auto", re.compile("auto|[0-9]{1,4}").fullmatch
    )
    devices: Tuple[int, ...] = key(
        "numbers of devices, each once: [0,1]",
        "[0]",
        lambda value: len(value) == len(set(value)) > 0 and min(value) >= 0,
    )
    iterations_per_loop: Optional[int] = key(
        "null or a whole number, 1 or more", 10, within(1, 10**6)
    )
    extra: Optional[Mapping[str, Any]] = key(
        "null or a mapping of options: {KEY:VALUE}", "'{hcom_parallel:true}'", unset=True
    )


Ascend910: Any = make_dataclass("Ascend910", options.schema_fields(), bases=(Chip,), frozen=True)
Ascend910.__module__ = __name__  # else it could not be pickled


def chip_of(hardware: Hardware) -> Chip:
    """Return the chip's keys: as set, or where hardware is auto their defaults."""
    if isinstance(hardware, Chip):
        return hardware
    made: Chip = Ascend910(
        **{**vars(hardware), "name": "ascend910"},
        device="auto",
        devices=tuple(range(8)),
        iterations_per_loop=None,
        extra=None,
        **{option.key: option.default for option in options.OWN},
    )
    return made
