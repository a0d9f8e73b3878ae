"""Settings -> the options of npu_bridge -> the ConfigProto of a session on the chip.

Needs TensorFlow for the last step alone, and no chip. Source: npu-bridge-contract.md, 2 and 3.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, FrozenSet, List, Mapping, NamedTuple, Tuple

from lenet_exp import tf_compat
from lenet_exp.config.chip import checks, options
from lenet_exp.config.chip.options import TABLE
from lenet_exp.config.cli import suggest
from lenet_exp.config.schema.hardware import chip_of
from lenet_exp.config.schema.modes import V2_NAMES
from lenet_exp.config.schema.run import PRECISION_FILES, Settings
from lenet_exp.errors import ConfigError

# RewriterConfig.OFF. For memory_optimization, another enum, it is MANUAL; the vendor's samples
# all send it, so this does.
_OFF = 2
_FILES = ("file", "json", "mixlist", "switches", "debug_config", "directory", "existing_directory")


class Adapter(NamedTuple):
    """What an npu_bridge can do: the options it reads, and whether it is of today's generation.

    `name` begins a sentence; the options in `boolean` are bools to it that are texts today.
    """

    known: FrozenSet[str]
    is_today: bool
    name: str
    boolean: FrozenSet[str] = frozenset()


def adapter_of(cann: str) -> Adapter:
    """Return the adapter that comes with a generation of the compiler, "today" or "2021"."""
    is_today = cann == "today"
    known = (key for key, row in TABLE.items() if is_today or row.since == options.FIRST)
    name = "today's npu_bridge" if is_today else f"the npu_bridge of {cann}"
    return Adapter(frozenset(known), is_today, name)


def parameters(settings: Settings, device: int, trains: bool = True) -> Dict[str, Any]:
    """Return option -> bool, int or str: what was set, and what a session on the chip needs.

    One that doesn't train is fed, and has neither an iterator nor a loop.
    """
    values = options.chosen(chip_of(settings.hardware))
    steps = checks.steps_per_call(settings)
    sent: Dict[str, Any] = {"use_off_line": True, "session_device_id": device}
    if trains:
        sent["enable_data_pre_proc"] = True
    if trains and steps > 1:
        sent["iterations_per_loop"] = steps
    if "precision_mode_v2" not in values:  # together they are refused
        sent["precision_mode"] = settings.precision.mode
    if settings.deterministic:
        sent["deterministic"] = 1
    for key in PRECISION_FILES:
        if getattr(settings.precision, key) is not None:
            sent[key] = _whole(getattr(settings.precision, key))
    return {**sent, **{key: _resolved(key, value) for key, value in values.items()}}


def _resolved(key: str, value: Any) -> Any:
    """Return paths as the adapter takes them: whole, without ~."""
    form = TABLE[key].form if key in TABLE else ""
    if form in _FILES:
        return _whole(value)
    if form == "profiling":
        options = json.loads(value)
        return json.dumps({**options, "output": _whole(options["output"])})
    return value


def _whole(path: str) -> str:
    return str(Path(path).expanduser().absolute())


def directories(sent: Mapping[str, Any]) -> List[Path]:
    """Return the directories that must be there before a graph is run."""
    made = [sent[key] for key in sent if key in TABLE and TABLE[key].form == "directory"]
    if "profiling_options" in sent:
        made.append(json.loads(sent["profiling_options"])["output"])
    return [Path(path) for path in made]


def fitted(sent: Mapping[str, Any], adapter: Adapter) -> Tuple[Dict[str, Any], List[str]]:
    """Return the options without those the adapter would ignore, and a warning for each of these.

    Raises:
        ConfigError: without one of them the run would be another.
    """
    kept, warnings = dict(sent), []
    for key, value in sent.items():
        row = TABLE.get(key)
        if row is None:
            warnings += [] if key in adapter.known else [_unknown(key, adapter)]
            continue
        if not adapter.is_today and value in row.today_also:
            raise _of_today(row, value)
        if key in adapter.boolean:
            kept[key] = _as_bool(key, value, adapter)
        if key in adapter.known:
            continue
        if key == "precision_mode_v2":
            allowed = f"no value: this npu_bridge does not know it (since {row.since})"
            mode = V2_NAMES[value]
            remedy = f"{suggest.PROGRAM} hardware=ascend910 precision={mode}"
            raise ConfigError(f"hardware.{key}", value, allowed, remedy)
        del kept[key]
        effect = "it is not sent" if row.by else f"hardware.{key} has no effect"
        warnings.append(f"{adapter.name} does not know {key} (since {row.since}): {effect}")
    return kept, warnings


def _of_today(row: options.Option, value: object) -> ConfigError:
    """Return the error of a value that only today's adapter takes."""
    allowed = " | ".join(map(str, row.values)) + " with this npu_bridge"
    if not row.by:
        return checks.impossible(row.key, value, allowed, f"hardware.{row.key}={row.values[0]}")
    remedy = f"{suggest.PROGRAM} hardware=ascend910 {row.by}={row.values[0]}"
    return ConfigError(row.by, value, allowed, remedy)


def _unknown(key: str, adapter: Adapter) -> str:
    meant = suggest.close_to(key, TABLE)
    hint = f"; is {meant} meant?" if meant else ""
    effect = "it is sent, and may be ignored without a word"
    return f"{adapter.name} is not known to read hardware.extra.{key}: {effect}{hint}"


def _as_bool(key: str, value: str, adapter: Adapter) -> bool:
    if value not in ("true", "false"):
        raise checks.impossible(
            key, value, f"true | false: {adapter.name} knows no other", f"hardware.{key}=true"
        )
    return value == "true"


def session_config(sent: Mapping[str, Any], threads: int) -> Any:
    """Return the ConfigProto of a session whose graphs run on the chip with these options."""
    config = tf_compat.load().ConfigProto(
        allow_soft_placement=True,
        intra_op_parallelism_threads=threads,
        inter_op_parallelism_threads=threads,
    )
    rewrite = config.graph_options.rewrite_options
    rewrite.remapping = _OFF
    rewrite.memory_optimization = _OFF
    entry = rewrite.custom_optimizers.add()
    entry.name = "NpuOptimizer"
    for key, value in sent.items():
        field = options.field_for(value)
        plain = value.encode() if field == "s" else value
        setattr(entry.parameter_map[key], field, plain)
    return config
