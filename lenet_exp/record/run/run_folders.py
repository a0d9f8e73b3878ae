"""Which run a person means, and what it was begun with. Light: no MLflow, no numpy."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
import shutil
from pathlib import Path
from typing import List, Optional, Tuple

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lenet_exp.config import literals
from lenet_exp.config.cli.json_words import escaped
from lenet_exp.config.cli.suggest import PROGRAM
from lenet_exp.config.compose import resolve
from lenet_exp.config.identity import config_hash, former_hash
from lenet_exp.config.schema.run import PLAN_FILES, Settings
from lenet_exp.errors import ConfigError, DataError, StoreError
from lenet_exp.record.store import journal, lease
from lenet_exp.record.terminal import go_to

_LARGEST = 1_000_000  # bytes of a run's settings
# What is in its folder before a run or a sweep is in the store.
_BY_HYDRA = {".hydra", "run.log", "multirun.yaml"}
_BY_A_RECORD = {journal.NAME, lease.NAME, "config.yaml", "probe.log"}
# What YAML and OmegaConf raise for what is none of their writing.
_NO_SETTINGS = (
    OSError, yaml.YAMLError, OmegaConfBaseException, ValueError, TypeError, AttributeError,
    LookupError, RecursionError, OverflowError,
)  # fmt: skip


def find(command: str, named: str, root: Path) -> Path:
    """Return the run folder that `named` means.

    Args:
        command: what it is the last value of, for the error: "python -m lenet_exp.upload run".
        named: a run id, a run folder, or latest: the last one that was begun or gone on with.
        root: where outputs/ and multirun/ are.

    Raises:
        ConfigError: there is none.
    """
    folder = _path(named)
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
    example = f"{command}={'latest' if known else 'DIR'}"
    raise ConfigError(command.rsplit(maxsplit=1)[-1], named, allowed, example)


def _path(named: str) -> Path:
    """Return the folder that a word may mean; nothing there if the system can't have it."""
    try:
        folder = Path(named).expanduser()
        folder.is_dir()
    except (RuntimeError, OSError, ValueError):  # no such user, too long, a zero byte
        return Path(os.devnull)
    return folder


def _known(root: Path) -> List[Tuple[float, Path]]:
    """Return the run folders below `root`, the latest first."""
    paths = [*root.glob(f"outputs/*/{journal.NAME}"), *root.glob(f"multirun/*/*/{journal.NAME}")]
    dated = [(path.stat().st_mtime, path.parent) for path in paths if path.stat().st_size]
    return sorted(dated, reverse=True)


def _ids(folder: Path) -> List[str]:
    try:
        return [e.values["run_id"] for e in journal.read(folder) if e.kind == "run"]
    except DataError:  # one damaged folder hides no other
        return []


def config_of(folder: Path) -> DictConfig:
    """Return the configuration in a run folder, as it was written.

    Raises:
        DataError: it is not there, or no configuration.
    """
    path = folder / "config.yaml"
    if not path.is_file() and _is_of_a_script(folder):
        problem = "is the record of a script, which has no settings of a run"
        raise DataError(folder, problem, PROGRAM)
    try:
        cfg = _loaded(path)
        for group, key in itertools.product(("precision", "hardware"), PLAN_FILES):
            kept = folder / f"precision.{key}"  # the copy is what the run was made with
            if kept.is_file() and OmegaConf.select(cfg, f"{group}.{key}") is not None:
                OmegaConf.update(cfg, f"{group}.{key}", escaped(str(kept.resolve())))
    except _NO_SETTINGS as error:
        reason = getattr(error, "strerror", None) or _shortened(str(error))
        raise DataError(path, f"can't be read ({reason})", PROGRAM) from error
    return cfg


def _is_of_a_script(folder: Path) -> bool:
    with contextlib.suppress(OSError, DataError):
        return "script" in journal.merged(journal.read(folder), "tags")
    return False


def _loaded(path: Path) -> DictConfig:
    if path.stat().st_size > _LARGEST:
        raise ValueError(f"more than {_LARGEST} bytes are none of a run's settings")
    text = path.read_text()
    if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
        raise ValueError("no run has aliases (*), and they may stand for any number of values")
    return literals.from_yaml(text)  # no run has references: what looks like one is a text


def _shortened(text: str) -> str:
    return " ".join(text.split())[:200]


def settings_of(folder: Path, to_run: bool = True) -> Settings:
    """Return the settings of the run in `folder`; raises as `config_of`, and ConfigError.

    `to_run`: as for `resolve`.
    """
    return resolve(config_of(folder), to_run)


def settings_from_here(folder: Path) -> Settings:
    """Return the settings of a recorded run; its relative paths are meant from where it began.

    Raises:
        DataError, ConfigError: as `settings_of`.
    """
    settings = settings_of(folder, to_run=False)
    start = journal.merged(journal.read(folder), "run").get("cwd")
    return settings if start is None else _from(Path(start), settings)


def _from(start: Path, settings: Settings) -> Settings:
    """Return settings with whole paths for those from `start`; of other files it has copies."""

    def whole(path: Optional[str]) -> Optional[str]:
        return path if path is None else str(start / Path(path).expanduser())

    data = dataclasses.replace(settings.data, path=whole(settings.data.path))
    return dataclasses.replace(settings, data=data, init_from=whole(settings.init_from))


def job_identity(sweep: Path, settings: Settings, data_sha256: str, stack: str) -> str:
    """Return the identity of a job of a sweep: the former one where it was finished under that.

    What is redone there is tagged with the identity of today.
    """
    identity = config_hash(settings, data_sha256, stack)
    if sweep.is_dir() and not (sweep / identity / journal.NAME).is_file():
        former = former_hash(settings, data_sha256, stack)
        with contextlib.suppress(OSError, DataError):
            entries = journal.read(sweep / former)
            ended = journal.merged(entries, "status").get("status") == "FINISHED"
            tagged = journal.merged(entries, "tags").get("config_hash")
            if tagged == identity or (ended and tagged == former):
                return former
    return identity


def around(path: Path) -> Optional[Path]:
    """Return the run folder that a path is, or is in: a checkpoint, what was exported."""
    whole = path.absolute()
    near = [whole, *list(whole.parents)[:3]]
    return next((one for one in near if (one / journal.NAME).is_file()), None)


def go_to_start(folder: Path) -> List[journal.Entry]:
    """Make the folder current in which a run was started, if it is there; return its journal.

    Relative paths, and MLflow's default store, are meant from there.

    Raises:
        DataError: the run was never begun.
    """
    entries = journal.read(folder)
    begun = journal.merged(entries, "run")
    if not begun:
        raise DataError(folder / journal.NAME, "tells of no run: it was never begun", PROGRAM)
    start = Path(begun["cwd"])
    if start.is_dir():
        go_to(start)
    return entries


def forget_unbegun(folder: Path) -> None:
    """Remove what was made in the folder of a run or a sweep before it was refused or ended.

    Only what Hydra and we make, only where no store has heard of it, and nobody is at work on it;
    then the folder, and outputs/ or multirun/ of this place, if they are empty.
    """
    present = {path.name for path in folder.glob("*")}
    ours = _BY_HYDRA | (_BY_A_RECORD if journal.NAME in present else set())
    if not present <= ours or (journal.NAME in present and _is_begun(folder)):
        return
    shutil.rmtree(str(folder / ".hydra"), ignore_errors=True)
    with contextlib.suppress(OSError):  # other runs are in it, or it is not ours to remove
        for name in present - {".hydra"}:
            (folder / name).unlink()
        above = [Path.cwd() / name for name in ("outputs", "multirun")]
        for made in (folder.resolve(), folder.resolve().parent):
            if made in above or made.parent in above:
                made.rmdir()


def _is_begun(folder: Path) -> bool:
    """Return whether a store has heard of what is recorded here, or another process may tell it."""
    try:
        with contextlib.closing(journal.Journal(folder)) as held:
            return held.run_id is not None
    except (OSError, DataError, StoreError):
        return True
