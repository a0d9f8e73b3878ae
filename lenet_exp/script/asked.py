"""What a script asks of the chip, and what a person asks instead: one precision mode a process."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from typing import Any, Dict, NamedTuple, Optional, Tuple

from lenet_exp.config.cli.script_options import ScriptOptions
from lenet_exp.config.schema.modes import OTHER_NAMES, PRECISION_MODES, RECOMMENDED, V2_NAMES
from lenet_exp.errors import ConfigError
from lenet_exp.precision.planning.options import unread

_PROGRAM = ScriptOptions.program()
_ENTRY = "NpuOptimizer"
_DEFAULT, _OF_INFERENCE = "allow_fp32_to_fp16", "force_fp16"
_OFF = 2  # RewriterConfig.OFF
# The modes by the names that each key of today's adapter takes.
_NAMES = {"precision_mode": (*PRECISION_MODES, "cube_fp16in_fp32out", "allow_mix_precision_fp16"),
          "precision_mode_v2": tuple(V2_NAMES)}  # fmt: skip
_FILES = ("modify_mixlist", "customize_dtypes", "fusion_switch_file")


@dataclass(frozen=True)
class Asked:
    """The mode and what changes its decisions; a file is a path.

    `where` says who asked; `refused` what today's adapter refuses of it, in words.
    """

    mode: str = _DEFAULT
    modify_mixlist: Optional[str] = None
    customize_dtypes: Optional[str] = None
    fusion_switch_file: Optional[str] = None
    keep_dtype: Tuple[str, ...] = ()
    where: str = "the default of npu_bridge"
    refused: str = ""

    def options(self) -> Dict[str, Any]:
        """Return the keywords of `assign` but for keep_dtype."""
        return {name: getattr(self, name) for name in _FILES}


class SessionConfig(NamedTuple):
    """What the configuration of one session says.

    `on_chip`: None where it does not say; `loops`: iterations_per_loop.
    """

    on_chip: Optional[bool]
    asked: Asked
    loops: int


def read(config: Any) -> SessionConfig:
    """Return what a ConfigProto, or None, asks of the chip, each option from its own field."""
    entry = next(filter(None, (e if e.name == _ENTRY else None for e in _entries(config))), None)
    if entry is None:
        return SessionConfig(None, Asked(), 1)
    given = dict(entry.parameter_map.items())
    texts = {key: value.s.decode(errors="replace") for key, value in given.items()}
    on_chip = given["use_off_line"].b if "use_off_line" in given else True
    inference = "graph_run_mode" in given and given["graph_run_mode"].i == 0
    modes = {key: texts[key] for key in _NAMES if key in texts}
    key = next(filter(modes.get, modes), None)
    if key is None:
        mode, where = (_OF_INFERENCE if inference else _DEFAULT), Asked.where
    else:
        mode, where = OTHER_NAMES.get(modes[key], modes[key]), f"the session's {key}"
    files: Dict[str, Any] = {name: texts.get(name) or None for name in _FILES}
    loops = int(given["iterations_per_loop"].i) if "iterations_per_loop" in given else 1
    asked = Asked(mode, where=where, refused=_refused(modes), **files)
    return SessionConfig(on_chip, asked, loops)


def _refused(modes: Dict[str, str]) -> str:
    """Return what today's adapter refuses of the modes by their keys; "" where nothing."""
    if len(modes) > 1:
        return " beside ".join(f"{key}={mode}" for key, mode in modes.items())
    wrong = [f"{key}={mode}" for key, mode in modes.items() if mode not in _NAMES[key]]
    return "".join(wrong)


def _check(mode: str, where: str) -> None:
    if mode not in PRECISION_MODES:
        allowed = f"{' | '.join(PRECISION_MODES)} ({where} says it)"
        raise ConfigError("precision_mode", mode, allowed, f"{_PROGRAM} precision={RECOMMENDED}")


def _entries(config: Any) -> Any:
    return () if config is None else config.graph_options.rewrite_options.custom_optimizers


def for_emulation(config: Any, config_class: Any) -> Any:
    """Return a copy of a session's configuration that keeps an emulated graph's bits."""
    made = config_class()
    if config is not None:
        made.CopyFrom(config)
    rewrite = made.graph_options.rewrite_options
    kept = [entry for entry in rewrite.custom_optimizers if entry.name != _ENTRY]
    del rewrite.custom_optimizers[:]
    rewrite.custom_optimizers.extend(kept)
    rewrite.remapping = rewrite.arithmetic_optimization = rewrite.constant_folding = _OFF
    made.allow_soft_placement = True
    return made


def chosen(
    found: Asked, typed: Dict[str, Any], on_refused: str = "warn"
) -> Tuple[Asked, Tuple[str, ...]]:
    """Return what counts of what a script and a person ask, and what is left out of it, in words.

    `typed`: mode, files and keep_dtype as they were typed; those that were not are not in it.
    `on_refused`: "error" ends where the adapter refuses how a script names its mode.

    Raises:
        ConfigError: the mode that counts is none, or does not read a file that was typed.
    """
    asked = replace(found, **typed)
    told = []
    if "mode" in typed:
        asked = replace(asked, where="typed", refused="")
        if typed["mode"] != found.mode or found.where != Asked.where:
            told.append(f"the script's own, {found.mode} ({found.where}), is overridden")
    _check(asked.mode, asked.where)
    if asked.refused and on_refused == "error":
        key, _, value = asked.refused.partition("=")
        allowed = "one of the two, " + " or ".join(
            f"{name}={' | '.join(names)}" for name, names in _NAMES.items()
        )
        raise ConfigError(key, value, allowed, f"{_PROGRAM} precision={asked.mode}")
    told += [f"today's adapter refuses {asked.refused}"] if asked.refused else []
    for name in ("modify_mixlist", "customize_dtypes"):
        file = getattr(asked, name)
        why = unread(name, asked.mode, "today") if file else None
        if why is not None:
            if name in typed:
                key, allowed = f"precision.{name}", f"only with {why.needs}: {why.reason}"
                remedy = f"{_PROGRAM} precision={why.needs} {key}={shlex.quote(file)}"
                raise ConfigError(key, file, allowed, remedy)
            told.append(f"{name}={file} is not read: {why.reason}")
            changes: Dict[str, Any] = {name: None}
            asked = replace(asked, **changes)
    return asked, tuple(told)
