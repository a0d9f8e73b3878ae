"""Hydra's composition, made fast for the many of one command.

Hydra itself reads every file and merges all of them anew for each job of a sweep, and for each of
its own looks at a command line.
"""

from __future__ import annotations

import contextlib
import copy
from dataclasses import replace
from typing import ClassVar, Dict, Iterator, List, Optional, Tuple

from hydra import initialize_config_dir
from hydra._internal import defaults_list
from hydra._internal import hydra as hydra_internal
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository, IConfigRepository
from hydra.core.default_element import InputDefault, ResultDefault
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, ValueType
from hydra.plugins.config_source import ConfigResult
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from lenet_exp.config import CONF
from lenet_exp.config.cli.listed_jobs import as_hydra_sweeps
from lenet_exp.config.cli.personal_files import PersonalFiles
from lenet_exp.config.compose import register_resolvers
from lenet_exp.config.schema.run import FAMILIES, all_keys

_PERSONAL = "command-line"  # the provider of --config-dir
_SEARCH_PATH = "hydra.searchpath="


def _left_to_jobs(override: Override) -> Override:
    """Return an override that Hydra leaves to the jobs, where only some options have its key."""
    key = override.key_or_group
    owners = all_keys().get(key, ())
    if 0 < len(owners) < len(FAMILIES.get(key.partition(".")[0], ())):
        return replace(override, value_type=ValueType.CHOICE_SWEEP)
    return override


_choices_so_far = defaults_list._create_interpolation_map  # noqa: SLF001 - no hook


def _choices_where_needed(
    overrides: defaults_list.Overrides, defaults_list: List[InputDefault], self_added: bool
) -> DictConfig:
    """Return what `${...}` in a list of files refers to: slow, and most lists have none."""
    if any(not item.is_self() and item.is_interpolation() for item in defaults_list):
        return _choices_so_far(overrides, defaults_list, self_added)
    return OmegaConf.create()


class _Copies(CachingConfigRepository):
    """Files of which each is given as a copy: merging changes it."""

    def __init__(self, files: CachingConfigRepository) -> None:
        self.delegate, self.cache = files, {}

    def load_config(self, config_path: str) -> Optional[ConfigResult]:
        """Return a file's content."""
        return copy.deepcopy(self.delegate.load_config(config_path))


class CachingConfigLoader(ConfigLoaderImpl):
    """Composes what Hydra's loader does; reads each file and merges each choice once a process.

    Not where a person's own folder is searched too: its files may change.
    """

    # The files of the package and of Hydra, by name and places searched; what was merged of them.
    _files: ClassVar[Dict[Tuple[object, ...], CachingConfigRepository]] = {}
    _merged: ClassVar[Dict[Tuple[int, str], DictConfig]] = {}

    _of_all_jobs = False  # whether a configuration is composed that no job has

    def load_configuration(
        self,
        config_name: Optional[str],
        overrides: List[str],
        run_mode: RunMode,
        from_shell: bool = True,
        validate_sweep_overrides: bool = True,
    ) -> DictConfig:
        """Return a configuration; of a sweep as a whole without what only some jobs may have."""
        self._of_all_jobs = run_mode == RunMode.MULTIRUN or not validate_sweep_overrides
        parser = OverridesParser.create(config_loader=self)
        overrides = as_hydra_sweeps(overrides, lambda word: parser.parse_overrides([word])[0])
        return super().load_configuration(
            config_name,
            overrides,
            run_mode=run_mode,
            from_shell=from_shell,
            validate_sweep_overrides=validate_sweep_overrides,
        )

    def _parse_overrides_and_create_caching_repo(
        self, config_name: Optional[str], overrides: List[str]
    ) -> Tuple[List[Override], CachingConfigRepository]:
        parsed, files = self._parsed_and_files(config_name, overrides)
        return list(map(_left_to_jobs, parsed)) if self._of_all_jobs else parsed, files

    def _parsed_and_files(
        self, config_name: Optional[str], overrides: List[str]
    ) -> Tuple[List[Override], CachingConfigRepository]:
        places = [(source.provider, source.path) for source in self.get_sources()]
        searched = any(word.startswith(_SEARCH_PATH) for word in overrides)
        if searched or any(provider == _PERSONAL for provider, _ in places):
            parsed, files = super()._parse_overrides_and_create_caching_repo(config_name, overrides)
            return parsed, PersonalFiles(files.delegate)
        key = (config_name, *places)
        if key not in self._files:
            _, self._files[key] = super()._parse_overrides_and_create_caching_repo(config_name, [])
        return OverridesParser.create().parse_overrides(overrides), self._files[key]

    def _compose_config_from_defaults_list(
        self, defaults: List[ResultDefault], repo: IConfigRepository
    ) -> DictConfig:
        merge = super()._compose_config_from_defaults_list
        kept = next((files for files in self._files.values() if files is repo), None)
        if kept is None:
            return merge(defaults, repo)
        choice = (id(repo), repr(defaults))
        if choice not in self._merged:
            self._merged[choice] = merge(defaults, _Copies(kept))
        return copy.deepcopy(self._merged[choice])


@contextlib.contextmanager
def hydra_session(job_name: str) -> Iterator[None]:
    """Have Hydra compose the package's configurations in a block; its main function, later too.

    A run that Hydra itself started may ask, too: its own Hydra is back afterwards.
    """
    hydra_internal.ConfigLoaderImpl = CachingConfigLoader  # type: ignore[attr-defined] # no hook
    defaults_list._create_interpolation_map = _choices_where_needed  # noqa: SLF001
    register_resolvers()
    of_the_run = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(CONF), version_base="1.3", job_name=job_name):
            yield
    finally:
        GlobalHydra.instance().hydra = of_the_run


def without_hydra(cfg: DictConfig) -> DictConfig:
    """Return a copy of what is no part of Hydra's own configuration."""
    return OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
