"""Are the options of the launcher, typed or from a preset, ones that it can begin with."""

from __future__ import annotations

import shlex
from dataclasses import fields
from typing import Any, Mapping, get_type_hints

from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from lenet_exp.config import references
from lenet_exp.config.cli import suggest
from lenet_exp.config.compose import WRONG, shown, typed
from lenet_exp.config.schema.launchers import LAUNCHERS
from lenet_exp.errors import ConfigError

_ENGINES = ("slurm", "ray")  # which run the launching command, too


def check(cfg: DictConfig) -> None:
    """Refuse options that the chosen launcher, if it is ours, can't have.

    Args:
        cfg: composed, with Hydra's own part.

    Raises:
        ConfigError: a key is unknown, of a wrong type or impossible.
    """
    name = str(cfg.hydra.runtime.choices.get("hydra/launcher"))
    if name not in LAUNCHERS:
        return
    if cfg.hydra.mode == RunMode.MULTIRUN and cfg.detach is True and name not in _ENGINES:
        allowed = f"only with hydra/launcher={' or '.join(_ENGINES)}"
        good = f"-m detach=true hydra/launcher={_ENGINES[0]}"
        raise suggest.not_possible("detach", "true", allowed, good)
    with references.resolved(cfg):
        given: Any = OmegaConf.to_container(cfg.hydra.launcher, resolve=True)
    hints = get_type_hints(LAUNCHERS[name])
    known = {item.name: item.metadata for item in fields(LAUNCHERS[name])}
    for key, value in given.items():
        if key in known:
            _check_value(name, key, typed(value, hints[key]), value, known[key])
        elif key != "_target_":
            allowed = f"with hydra/launcher={name} one of {', '.join(known)}"
            raise _not_possible(name, key, value, allowed, "n_jobs", "2")


def _check_value(
    name: str, key: str, value: Any, given: object, metadata: Mapping[str, Any]
) -> None:
    if value is WRONG or not (value is None or metadata["check"](value)):
        raise _not_possible(name, key, given, metadata["allowed"], key, metadata["good"])


def _not_possible(
    name: str, key: str, given: object, allowed: str, instead: str, good: str
) -> ConfigError:
    chosen = "" if name == "local" else f"hydra/launcher={name} "
    typed_so = shlex.quote(f"hydra.launcher.{instead}={good}")
    key = f"hydra.launcher.{key}"
    return suggest.not_possible(key, shown(given), allowed, f"-m {chosen}{typed_so}")
