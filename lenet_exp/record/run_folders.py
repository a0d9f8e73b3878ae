"""Which run a person means, and what it was begun with. Light: no MLflow, no numpy."""

from __future__ import annotations

import os
from pathlib import Path
from typing import List, Sequence, Tuple

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from lenet_exp.config.resolve import resolve
from lenet_exp.config.schema import Settings
from lenet_exp.config.suggest import PROGRAM
from lenet_exp.errors import ConfigError, DataError
from lenet_exp.record import journal


def find(key: str, named: str, root: Path) -> Path:
    """Return the run folder that `named` (the value of `key`) means.

    Args:
        key: for the error: resume or run.
        named: a run id, a run folder, or latest: the last one that was begun or gone on with.
        root: where outputs/ and multirun/ are.

    Raises:
        ConfigError: there is none.
    """
    folder = Path(named).expanduser()
    if (folder / journal.NAME).is_file():
        return folder.resolve()
    known = _known(root)
    for _, path in known:
        if named == "latest" or named in _ids(path):
            return path.resolve()
    if named and folder.is_dir():
        allowed = f"a run folder (this one holds no {journal.NAME})"
    elif known:
        allowed = f"latest, a run folder, or the id of a run in {root}/outputs or {root}/multirun"
    else:
        allowed = f"a run folder ({root} has no runs in outputs or multirun)"
    raise ConfigError(key, named, allowed, _example(key, known))


def _known(root: Path) -> List[Tuple[float, Path]]:
    """Return the run folders below `root`, the latest first."""
    paths = [*root.glob(f"outputs/*/{journal.NAME}"), *root.glob(f"multirun/*/*/{journal.NAME}")]
    dated = [(path.stat().st_mtime, path.parent) for path in paths if path.stat().st_size]
    return sorted(dated, reverse=True)


def _ids(folder: Path) -> List[str]:
    return [e.values["run_id"] for e in journal.read(folder) if e.kind == "run"]


def _example(key: str, known: List[Tuple[float, Path]]) -> str:
    verb = "run" if key == "resume" else "upload"
    return f"python -m lenet_exp.{verb} {key}={'latest' if known else 'DIR'}"


def config_of(folder: Path) -> DictConfig:
    """Return the configuration in a run folder, as it was written.

    Raises:
        DataError: it is not there, or no configuration.
    """
    path = folder / "config.yaml"
    try:
        cfg = OmegaConf.load(str(path))
    except (OSError, YAMLError, OmegaConfBaseException) as error:
        raise DataError(path, f"can't be read ({error})", PROGRAM) from error
    if not isinstance(cfg, DictConfig):
        raise DataError(path, "holds no settings", PROGRAM)
    return cfg


def settings_of(folder: Path) -> Settings:
    """Return the settings of the run in `folder`; raises as `config_of`, and ConfigError."""
    return resolve(config_of(folder))


def go_to_start(entries: Sequence[journal.Entry]) -> None:
    """Make the folder current in which the run was started, if it is still there.

    Relative paths, and MLflow's default store, are meant from there.
    """
    folder = Path(journal.merged(entries, "run")["cwd"])
    if folder.is_dir():
        os.chdir(str(folder))
