"""Values that are meant as they stand: OmegaConf takes any text with ${ for a reference."""

from __future__ import annotations

from typing import Any, Mapping

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf._utils import get_omega_conf_dumper, get_yaml_loader

from lenet_exp.config.cli.json_words import escaped


def config_of(values: Mapping[str, Any]) -> DictConfig:
    """Return values as a configuration in which nothing refers to anything."""
    made: DictConfig = OmegaConf.create(_each_text(values, escaped))
    return made


def to_yaml(values: Mapping[str, Any]) -> str:
    """Return values as OmegaConf writes them, but each text as it is."""
    return str(
        yaml.dump(
            _each_text(values, str), default_flow_style=False, allow_unicode=True, sort_keys=False,
            Dumper=get_omega_conf_dumper(),
        )
    )  # fmt: skip


def from_yaml(text: str) -> DictConfig:
    """Return the configuration that `to_yaml` wrote; no text in it is a reference.

    Raises:
        TypeError: it holds no keys.
        YAMLError, ValueError: it is no YAML that OmegaConf takes.
    """
    found = yaml.load(text, Loader=get_yaml_loader())  # noqa: S506 - a SafeLoader
    if not isinstance(found, dict):
        raise TypeError("it holds no settings")
    return config_of(found)


def _each_text(value: Any, change: Any) -> Any:
    """Return a copy without tuples; YAML would have an alias where one list stands twice."""
    if isinstance(value, Mapping):
        return {key: _each_text(each, change) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_each_text(each, change) for each in value]
    return change(value) if isinstance(value, str) else value
