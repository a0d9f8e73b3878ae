"""The vendor's PROFILING_OPTIONS, as far as a 910 has them."""

from __future__ import annotations

import json
from typing import Any, Dict, Mapping

_ON_OFF = ("on", "off")
_LEVELS = (*_ON_OFF, "l0", "l1")
SWITCHES: Mapping[str, Any] = {
    **dict.fromkeys(("training_trace", "aicpu", "hccl", "msproftx", "l2", "runtime_api"), _ON_OFF),
    **dict.fromkeys(("task_trace", "task_time", "ge_api"), _LEVELS),
}
_POINTS = ("fp_point", "bp_point")
TEXTS = (
    "output", *_POINTS, "aic_metrics", "storage_limit", "llc_profiling",
    "sys_hardware_mem_freq", "sys_io_sampling_freq", "sys_interconnection_freq", "dvpp_freq",
    "host_sys", "host_sys_usage", "host_sys_usage_freq",
)  # fmt: skip
ALLOWED = (
    "a mapping, or JSON, with output: DIR; training_trace, aicpu, hccl, l2, msproftx,"
    " runtime_api: 'on' | 'off'; task_trace, task_time, ge_api: these or 'l0' | 'l1';"
    " training_trace: 'on' with fp_point and bp_point ('': found by the system);"
    " aic_metrics: NAME; or what else the vendor's PROFILING_OPTIONS has for a 910"
)


def is_possible(text: str) -> bool:
    """Return whether a JSON text holds options that are possible."""
    given = _read(text)
    return given is not None and given == mended(given)


def mended(given: object) -> Dict[str, Any]:
    """Return possible options: those given, with what is wrong left out and what lacks added.

    Args:
        given: a mapping, or JSON of one; anything else has no options.
    """
    typed = given if isinstance(given, Mapping) else _read(given) or {}
    kept = {key: value for key, value in typed.items() if _is_right(key, value)}
    kept.update({key: "on" for key in typed if key in SWITCHES and key not in kept})
    if not isinstance(kept.get("output"), str) or not kept["output"]:
        kept["output"] = "DIR"
    if kept.get("training_trace") == "on":  # '': the system finds it
        kept.update({point: "" for point in _POINTS if point not in kept})
    return kept


def _is_right(key: str, value: object) -> bool:
    return value in SWITCHES.get(key, ()) or (key in TEXTS and isinstance(value, (str, int)))


def _read(text: object) -> Any:
    try:
        found = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
