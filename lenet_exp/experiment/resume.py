"""resume=RUN: which run goes on, with which settings. Imports neither TensorFlow nor MLflow."""

from __future__ import annotations

import logging.config
import re
from pathlib import Path
from typing import Any, Dict, NamedTuple, Sequence

from omegaconf import DictConfig, OmegaConf

from lenet_exp.config import CONF, literals
from lenet_exp.config.cli.recorded_options import ResumeOptions
from lenet_exp.config.cli.suggest import PROGRAM
from lenet_exp.config.compose import resolve
from lenet_exp.config.schema.run import Settings
from lenet_exp.errors import ConfigError
from lenet_exp.record.run import run_folders
from lenet_exp.record.store import journal

_EPOCHS = "schedule.epochs"
_BELONGS_TO = ("sweep", "mlflow.parentRunId", "job_override", "alone", "rerun_of")


class Resumption(NamedTuple):
    """A run that goes on: in `folder`, with the `tags` of what it belongs to, with `settings`."""

    folder: Path
    tags: Dict[str, str]
    settings: Settings
    finished: bool  # and no further epochs are asked for


def asks_to_resume(words: Sequence[str]) -> bool:
    """Return whether a command line names a run to go on with."""
    return any(word.startswith("resume=") and word != "resume=null" for word in words)


def prepare(words: Sequence[str]) -> Resumption:
    """Find the run that `words` name, and go to where it was started.

    Raises:
        ConfigError: there is no such run, or something else was to change.
        DataError: its folder is not what it should be.
    """
    options = ResumeOptions.read(words)
    folder = run_folders.find(f"{PROGRAM} resume", options.resume, Path.cwd())
    tags = journal.merged(journal.read(folder), "tags")
    if tags.get("sweep_parent") == "true":
        allowed = "a run; this is a sweep"
        raise ConfigError("resume", options.resume, allowed, str(tags.get("command", PROGRAM)))
    cfg = run_folders.config_of(folder)
    wanted = _change_epochs(cfg, options.epochs, options.resume) if options.epochs else False
    entries = run_folders.go_to_start(folder)
    settings = resolve(cfg)
    done = journal.merged(entries, "status").get("status") == "FINISHED"
    tags = journal.merged(entries, "tags")
    kept: Dict[str, str] = {key: str(tags[key]) for key in _BELONGS_TO if key in tags}
    return Resumption(folder, kept, settings, done and not wanted)


def _change_epochs(cfg: DictConfig, text: str, named: str) -> bool:
    """Set the epochs that are asked for; return whether they are more than before."""
    before = OmegaConf.select(cfg, _EPOCHS, default=None)
    if type(before) is not int:  # a damaged file, which is refused later
        return False
    value: Any = int(text) if re.fullmatch("[0-9]+", text) else text  # which is refused later
    if isinstance(value, int) and value < before:
        allowed = f"{before} or more: the run was begun with so many"
        raise ConfigError(_EPOCHS, value, allowed, f"{PROGRAM} resume={named} {_EPOCHS}={before}")
    OmegaConf.update(cfg, _EPOCHS, value)
    return bool(value != before)


def log_to(folder: Path) -> None:
    """Log to the run's own run.log, as Hydra had it."""
    logging.raiseExceptions = False  # a full disk: the run says so itself
    cfg = OmegaConf.load(str(CONF / "hydra" / "job_logging" / "run_log.yaml"))
    whole = literals.config_of({"hydra": {"runtime": {"output_dir": str(folder)}}})
    whole.log = cfg
    logging.config.dictConfig(OmegaConf.to_container(whole.log, resolve=True))  # type: ignore[arg-type]
