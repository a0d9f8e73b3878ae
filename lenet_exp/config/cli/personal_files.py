"""Files of options that a person wrote: what is wrong in one is said with its path and line."""

from __future__ import annotations

import contextlib
import copy
import os
import re
from pathlib import Path
from typing import ClassVar, Dict, Iterable, Iterator, Mapping, Optional, Sequence, Tuple

import yaml
from hydra._internal.config_repository import CachingConfigRepository
from hydra.core.default_element import GroupDefault, InputDefault
from hydra.core.override_parser.types import Override
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig, OmegaConf

from lenet_exp.config import CONF, yaml_text
from lenet_exp.config.schema.modes import by_one_name
from lenet_exp.config.schema.run import all_keys
from lenet_exp.errors import ConfigError, DataError

# What Hydra makes objects of, by the module that it may be from: plugins that are installed, and of
# a log the classes that write one. Anything else would be a program in a file of options.
_PLUGINS = ("hydra_plugins.", "hydra._internal.core_plugins.")
_LOGS = ("logging.", "lenet_exp.", "colorlog.")
_MAKES = {"_target_": _PLUGINS, "class": _LOGS, "()": _LOGS}
_PLUGIN_KEYS = ("hydra.launcher._target_", "hydra.sweeper._target_")
_STREAMS = ("ext://sys.stdout", "ext://sys.stderr")
_PRIMARY = "config"
_REMEDY = f"mend that file, as those in {CONF / 'experiment'} are"


class PersonalFiles(CachingConfigRepository):
    """The files that Hydra finds where a person's own folder is searched too.

    Those of the package don't change: they are read once a process.
    """

    _packaged: ClassVar[Dict[Path, Optional[ConfigResult]]] = {}

    def load_config(self, config_path: str) -> Optional[ConfigResult]:
        """Return a file's content, None if no place searched has it.

        Of a mode by its other name, as a preset may have it, the mode's file.

        Raises:
            DataError: it can't be read, is no YAML, holds no keys, or would take all memory.
        """
        config_path = _by_one_name(config_path)
        path = self._path(config_path)
        try:
            if CONF in path.parents:
                self._keep(config_path, path)
            elif _is_file(path):
                _check_size(path)
            found = super().load_config(config_path)
        except yaml.MarkedYAMLError as error:
            mark, what = error.problem_mark or error.context_mark, error.problem or error.context
            place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
            raise DataError(path, f"{place}{what}", _REMEDY) from error
        except (yaml.YAMLError, ValueError, OSError) as error:
            reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
            raise DataError(path, reason, _REMEDY) from error
        except RecursionError as error:
            raise DataError(path, "is nested too deep", _REMEDY) from error
        if found is not None and not OmegaConf.is_dict(found.config):
            problem = "holds no keys: each line has to be KEY: VALUE"
            raise DataError(path, problem, _REMEDY)
        if found is not None and config_path != _PRIMARY:
            _check_defaults(path, found.defaults_list or [])
        return found

    def _keep(self, config_path: str, path: Path) -> None:
        key = f"config_path={config_path}"
        if key in self.cache:
            return
        if path not in self._packaged:
            self._packaged[path] = self.delegate.load_config(config_path)
        self.cache[key] = copy.deepcopy(self._packaged[path])  # merging changes it

    def _path(self, config_path: str) -> Path:
        name = f"{config_path.partition('.yaml')[0]}.yaml"
        paths = [Path(source.path, name) for source in self.get_sources()]
        return next((path for path in paths if _is_file(path)), Path(name))


def _check_defaults(path: Path, defaults: Sequence[InputDefault]) -> None:
    # Hydra has composed its own groups by then, and passes over these without a word.
    for default in defaults:
        if isinstance(default, GroupDefault) and (default.group or "").lstrip("/")[:6] == "hydra/":
            typed = f"{str(default.group).lstrip('/')}={default.value}"
            problem = f"a file of options can't choose {typed}"
            raise DataError(path, problem, f"type {typed}, and leave it out of that file")


def _is_file(path: Path) -> bool:
    # Path.is_file raises of a name that no file system takes.
    return os.path.isfile(str(path))  # noqa: PTH113


def _by_one_name(config_path: str) -> str:
    group, _, option = config_path.rpartition("/")
    return f"{group}/{by_one_name(option)}" if group == "precision" else config_path


def _check_size(path: Path) -> None:
    problem = yaml_text.problem_of(path.read_text(encoding="utf-8"))
    if problem:
        raise DataError(path, problem, _REMEDY)


def check_made(cfg: DictConfig) -> None:
    """Refuse a configuration that would have Hydra, or its logging, call what a file names.

    Raises:
        ConfigError: it names a program of its own.
    """
    for key, value in _leaves(OmegaConf.to_container(cfg, resolve=False), ""):
        leaf, text = key.rpartition(".")[2], str(value)
        of_log = key.startswith(("hydra.job_logging.", "hydra.hydra_logging."))
        if leaf in ("_target_", "()") or (leaf == "class" and of_log):
            allowed = _MAKES[leaf] if of_log or key in _PLUGIN_KEYS else ()
            if (leaf == "_target_" and of_log) or not text.startswith(allowed or "\0"):
                raise _makes(key, text, allowed)
        elif of_log and re.match(r"\w+://", text) and text not in _STREAMS:
            raise _makes(key, text, _STREAMS)


def _makes(key: str, text: str, allowed: Sequence[str]) -> ConfigError:
    said = " | ".join(f"{one}..." for one in allowed) or "nothing: no file makes an object of ours"
    remedy = "python -m lenet_exp.run --help"
    return ConfigError(key, text, f"{said}; a file of options is no program", remedy)


def _leaves(value: object, key: str) -> Iterator[Tuple[str, object]]:
    """Yield each key, dotted, that has no keys of its own, and its value."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _leaves(each, f"{key}.{name}".lstrip("."))
    elif isinstance(value, list):
        for each in value:
            yield from _leaves(each, key)
    else:
        yield key, value


@contextlib.contextmanager
def located(cfg: DictConfig, overrides: Sequence[Override]) -> Iterator[None]:
    """Say in which file, and line, a key stands that is refused and was not typed."""
    try:
        yield
    except ConfigError as error:
        key, value, allowed, remedy = error.args
        place = None if _is_typed(key, overrides) else _place(cfg, key)
        if place is None:
            raise
        shown = key if value is None else f"{key}={value}"
        good = remedy if key in all_keys() else f"mend {place}"
        raise type(error)(f"{shown} ({place})", None, allowed, good) from error


def _is_typed(key: str, overrides: Iterable[Override]) -> bool:
    typed = {override.key_or_group for override in overrides}
    parts = key.split(".")
    return any(".".join(parts[:depth]) in typed for depth in range(2, len(parts) + 1)) or (
        len(parts) == 1 and key in typed
    )


def _place(cfg: DictConfig, key: str) -> Optional[str]:
    """Return a file of those that were composed, and the line of a key in it."""
    runtime = cfg.hydra.runtime
    folders = [Path(source.path) for source in runtime.config_sources if source.schema == "file"]
    for path, package in _files(runtime.choices, folders):
        with contextlib.suppress(OSError, ValueError, yaml.YAMLError, RecursionError):
            text = path.read_text(encoding="utf-8")
            line = yaml_text.line_of(text, _inside(key, text, package))
            if line is not None:
                return f"line {line} of {path}"
    return None


def _files(choices: Mapping[str, object], folders: Sequence[Path]) -> Iterator[Tuple[Path, str]]:
    """Yield each file of an option that was chosen, presets first, and its own package."""
    chosen = sorted(choices.items(), key=lambda item: "experiment" not in str(item[0]))
    for group, option in [*chosen, ("", "config")]:
        name = Path(str(group).partition("@")[0], f"{option}.yaml")
        found = [folder / name for folder in folders if (folder / name).is_file()]
        yield from ((path, str(group).replace("/", ".")) for path in found[:1])


def _inside(key: str, text: str, package: str) -> Sequence[str]:
    """Return the parts of a key in a file; none where the file is of another package."""
    header = re.search(r"^#\s*@package\s+(\S+)", text, re.MULTILINE)
    own = package if header is None else header[1].replace("_group_", package)
    own = own.replace("_global_", "").strip(".")
    return (key if not own else key[len(own) + 1 :] if key.startswith(f"{own}.") else "").split(".")
