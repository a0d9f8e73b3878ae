"""Hydra's composition, made fast for the many of one command.

Hydra itself reads every file and merges all of them anew for each job of a sweep, and for each of
its own looks at a command line.
"""

from __future__ import annotations

import contextlib
import copy
from typing import ClassVar, Dict, Iterator, List, Optional, Tuple

from hydra import initialize_config_dir
from hydra._internal import hydra as hydra_internal
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository, IConfigRepository
from hydra.core.default_element import ResultDefault
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from lenet_exp.config.compose import register_resolvers
from lenet_exp.config.folder import CONF

_PERSONAL = "command-line"  # the provider of --config-dir
_SEARCH_PATH = "hydra.searchpath="


class CachingConfigLoader(ConfigLoaderImpl):
    """Composes what Hydra's loader does; reads each file and merges each choice once a process.

    Not where a person's own folder is searched too: its files may change.
    """

    _read: ClassVar[Dict[Tuple[object, ...], CachingConfigRepository]] = {}  # by name and places
    _merged: ClassVar[Dict[Tuple[int, str], DictConfig]] = {}  # by what was read and chosen

    def _parse_overrides_and_create_caching_repo(
        self, config_name: Optional[str], overrides: List[str]
    ) -> Tuple[List[Override], CachingConfigRepository]:
        places = [(source.provider, source.path) for source in self.get_sources()]
        searched = any(word.startswith(_SEARCH_PATH) for word in overrides)
        if searched or any(provider == _PERSONAL for provider, _ in places):
            return super()._parse_overrides_and_create_caching_repo(config_name, overrides)
        key = (config_name, *places)
        if key not in self._read:
            _, self._read[key] = super()._parse_overrides_and_create_caching_repo(config_name, [])
        return OverridesParser.create().parse_overrides(overrides), self._read[key]

    def _compose_config_from_defaults_list(
        self, defaults: List[ResultDefault], repo: IConfigRepository
    ) -> DictConfig:
        merge = super()._compose_config_from_defaults_list
        if not any(files is repo for files in self._read.values()):
            return merge(defaults, repo)
        choice = (id(repo), repr(defaults))
        if choice not in self._merged:  # merging changes what was read
            self._merged[choice] = merge(defaults, copy.deepcopy(repo))
        return copy.deepcopy(self._merged[choice])


@contextlib.contextmanager
def hydra_session(job_name: str) -> Iterator[None]:
    """Have Hydra compose the package's configurations in a block; its main function, later too."""
    hydra_internal.ConfigLoaderImpl = CachingConfigLoader  # type: ignore[attr-defined] # no hook
    register_resolvers()
    with initialize_config_dir(str(CONF), version_base="1.3", job_name=job_name):
        yield


def without_hydra(cfg: DictConfig) -> DictConfig:
    """Return a copy of what is no part of Hydra's own configuration."""
    return OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
