"""What the adapter of an Ascend 910 would ignore, refuse or die of, refused in words before.

npu-bridge-contract.md, 8; the numbers of its checks stand at the functions. Rules of one value are
the table's, in options.py.
"""

from __future__ import annotations

import json
import math
from typing import Any, Mapping, Optional, Sequence

from lenet_exp.config.chip import options
from lenet_exp.config.chip.options import TABLE, Option
from lenet_exp.config.cli import suggest
from lenet_exp.config.cli.json_words import argument
from lenet_exp.config.schema.hardware import Chip, chip_of
from lenet_exp.config.schema.modes import V2_NAMES
from lenet_exp.config.schema.run import Settings
from lenet_exp.errors import ConfigError

LONGEST_LOOP = 10  # steps a session call where nobody chose: the ModelZoo's
# Keys of a precision that are marked in, or imitated by, the CPU's graph only.
EMULATED = ("keep_dtype", "trace_overflow", "flush_subnormals")


def check_options(settings: Settings) -> None:
    """Raise ConfigError for options that can't go together, or not with the run."""
    if not isinstance(settings.hardware, Chip):
        return
    values = options.chosen(settings.hardware)
    _check_extra(settings.hardware.extra or {})
    for key, value in values.items():
        if key in TABLE and value is not False:
            _check_pairs(key, value, values)
    _check_precision(settings, values)
    check_emulated(settings)
    _check_placement(values)
    _check_loop(settings, values)


def check_jobs(jobs: Sequence[Settings]) -> None:
    """19: Raise ConfigError for what the jobs of one sweep would take from each other."""
    for job in jobs:
        if len(jobs) > 1 and getattr(job.hardware, "op_compiler_cache_mode", None) == "force":
            allowed = "enable | disable in a sweep: force deletes what the other jobs use"
            good = "hardware.op_compiler_cache_mode=enable"
            raise impossible("op_compiler_cache_mode", "force", allowed, good)


def impossible(key: str, value: object, allowed: str, *arguments: str) -> ConfigError:
    """Return the error of one option; `arguments` are what to type instead of it."""
    good = " ".join(["hardware=ascend910", *arguments])
    return suggest.not_possible(f"hardware.{key}", suggest.shown(value), allowed, good)


def _check_extra(extra: Mapping[str, Any]) -> None:
    """1: a key that has its own, that is never to be sent, or of a type no field holds."""
    for key, value in extra.items():
        option = TABLE.get(key)
        allowed = _not_extra(option) if option is not None else ""
        if allowed:
            others = {name: each for name, each in extra.items() if name != key}
            own = [] if option is None or option.by else [_own_key(option, value)]
            mapping = argument("hardware.extra", others or None)
            raise impossible(f"extra.{key}", value, allowed, mapping, *own)
        allowed = _wrong_value(option, value)
        if allowed:
            mapping = argument("hardware.extra", {**extra, key: _instead(option, value)})
            raise impossible(f"extra.{key}", value, allowed, mapping)


def _not_extra(option: Option) -> str:
    """Return what is allowed instead of a key that `extra` can't have, or nothing."""
    if option.by == "refused":
        return f"not this key ({option.help})"
    if not option.by:
        return f"its own key, hardware.{option.key}"
    return "" if option.by == "extra" else f"{option.by}, which sets it"


def _own_key(option: Option, value: Any) -> str:
    typed = suggest.shown(value)
    kept = option.field in (options.field_for(value), "s") and not isinstance(value, (list, dict))
    kept = kept and option.accepts(typed if option.field == "s" else value)
    name = f"hardware.{option.key}"
    return argument(name, value) if kept else f"{name}={option.good}"


def _wrong_value(option: Optional[Option], value: Any) -> str:
    """Return what is allowed instead of a value of a key in `extra`, or nothing."""
    if type(value) not in (bool, int, str) or not options.can_be_sent(value):
        return "true | false, a whole number of 64 bits, or text in UTF-8"
    if option is None:
        return ""
    if option.field != options.field_for(value):
        return _ALLOWED[option.field]
    return "" if option.accepts(value) else option.allowed


def _instead(option: Optional[Option], value: Any) -> Any:
    if option is None or option.field == "s":
        text = value if isinstance(value, str) else json.dumps(value)
        return text.encode(errors="replace").decode()
    return option.field == "b" or option.good


_ALLOWED = {"b": "true | false", "i": "a whole number", "s": "text"}


def _check_pairs(key: str, value: object, values: Mapping[str, Any]) -> None:
    """6, 7, 8, 9, 10, 11: what is read only beside another, or never beside it."""
    option, given = TABLE[key], argument(f"hardware.{key}", value)
    if option.needs and not any(values.get(other) for other in option.needs):
        allowed = "only with " + " or ".join(f"hardware.{other}" for other in option.needs)
        switch = TABLE[option.needs[0]]
        lacking = [TABLE[each] for each in switch.requires if values.get(each) is None]
        beside = [f"hardware.{each.key}={each.good}" for each in (switch, *lacking)]
        raise impossible(key, value, allowed, given, *beside)
    for other_key in option.requires:
        other = f"hardware.{other_key}"
        if values.get(other_key) is None:
            good = f"{other}={TABLE[other_key].good}"
            raise impossible(key, value, f"only with {other}", given, good)
    for other_key in option.excludes:
        if values.get(other_key):
            raise impossible(key, value, f"not with hardware.{other_key}, one of them a run")


def _check_precision(settings: Settings, values: Mapping[str, Any]) -> None:
    """3: one name of the mode."""
    mode, second = settings.precision.mode, values.get("precision_mode_v2")
    if second is not None and V2_NAMES[second] != mode:
        allowed = f"the other name of precision={mode}, or none"
        raise impossible("precision_mode_v2", second, allowed, f"precision={V2_NAMES[second]}")


def check_emulated(settings: Settings) -> None:
    """Raise ConfigError for what is marked in, or imitated by, the CPU's graph only."""
    for key in EMULATED:
        value = getattr(settings.precision, key)
        if value:
            shown = f"[{','.join(value)}]" if isinstance(value, tuple) else suggest.shown(value)
            good = f"hardware=cpu {argument(f'precision.{key}', value)}"
            raise suggest.not_possible(f"precision.{key}", shown, "only with hardware=cpu", good)


def _check_placement(values: Mapping[str, Any]) -> None:
    if values.get("variable_placement") == "Host" and not values.get("mix_compile_mode"):
        good = "hardware.variable_placement=Host hardware.mix_compile_mode=true"
        raise impossible("variable_placement", "Host", "Host only with mix_compile_mode", good)


def _check_loop(settings: Settings, values: Mapping[str, Any]) -> None:
    """13, 14: steps and intervals are whole loops, and nothing excludes the loop."""
    schedule, loop = settings.schedule, chip_of(settings.hardware).iterations_per_loop
    if loop is None:
        return
    for key in ("steps_per_epoch", "checkpoint_every"):
        steps = getattr(schedule, key)
        if steps % loop:
            good = f"hardware.iterations_per_loop={_loop_of(schedule)}"
            allowed = f"a divisor of schedule.{key}={steps}"
            raise impossible("iterations_per_loop", loop, allowed, good)
    if loop > 1 and values.get("mix_compile_mode"):
        allowed = "1 with hardware.mix_compile_mode=true"
        raise impossible("iterations_per_loop", loop, allowed, "hardware.iterations_per_loop=1")


def _loop_of(schedule: Any) -> int:
    common = math.gcd(schedule.steps_per_epoch, schedule.checkpoint_every)
    return max(n for n in range(1, LONGEST_LOOP + 1) if common % n == 0)


def steps_per_call(settings: Settings) -> int:
    """Return the steps a session call makes: as chosen, or the most up to 10 that fit."""
    hardware = chip_of(settings.hardware)
    if hardware.iterations_per_loop is not None:
        return hardware.iterations_per_loop
    if options.chosen(hardware).get("mix_compile_mode"):
        return 1
    return _loop_of(settings.schedule)
