"""Options of the commands about runs that were recorded."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Optional, Tuple

from lenet_exp.config.cli.options import Options
from lenet_exp.config.schema.keys import key, within
from lenet_exp.config.tracking import EXPERIMENT
from lenet_exp.errors import ConfigError


def _are_ids(texts: Tuple[str, ...]) -> bool:
    """Return whether these are ids of runs: a server may use one in a path."""
    return texts != () and all(re.fullmatch(r"\w[\w-]{0,255}", text, re.ASCII) for text in texts)


@dataclass(frozen=True)
class RecordedRun(Options):
    """`run`: a folder, an id or latest, as raw text: an id such as 12e45678 is no number."""

    BARE = ((".+", "run"),)

    run: str = key("FOLDER, ID or latest", "latest")


@dataclass(frozen=True)
class SweepOptions(Options):
    """`sweep`: its name."""

    VERB = "sweep"
    BODY = "lenet_exp.sweep.state"
    BARE = ((".+", "sweep"),)

    sweep: str = key(
        "the name of a sweep, or latest",
        "latest",
        re.compile("[A-Za-z0-9][A-Za-z0-9_.-]{0,99}").fullmatch,
    )


@dataclass(frozen=True)
class RerunOptions(RecordedRun):
    """Nothing but the run."""

    VERB = "rerun"


@dataclass(frozen=True)
class ExportOptions(RecordedRun):
    """`to`: the folder of what is exported; None for one in the run folder."""

    VERB = "export"

    to: Optional[Path] = key("a folder", "DIR", default=None)


@dataclass(frozen=True)
class UploadOptions(RecordedRun):
    """`uri`: another store than the run was to be recorded in."""

    VERB = "upload"

    uri: Optional[str] = key("an MLflow tracking URI", "URI", default=None, name="tracking.uri")


@dataclass(frozen=True)
class ResumeOptions(Options):
    """`resume`: the run that goes on; `epochs`: as text, for the schedule's own check."""

    VERB = "run"

    resume: str = key("FOLDER, ID or latest", "latest")
    epochs: Optional[str] = key(
        "a whole number, not fewer than before", 5, default=None, name="schedule.epochs"
    )

    @classmethod
    def unknown(cls, argument: str, typed: Optional[Dict[str, str]] = None) -> ConfigError:
        """Return the error for anything else: a run that goes on is what it was."""
        name, _, text = argument.partition("=")
        allowed = "resume=RUN with nothing beside it but a larger schedule.epochs"
        return ConfigError(name, text or None, allowed, cls.command(typed=typed))


@dataclass(frozen=True)
class CompareOptions(Options):
    """What is compared: a sweep, or these runs, or else the experiment.

    Where none of the three is named: the last sweep, or else the experiment.
    """

    VERB = "compare"
    BARE = ((".+", "sweep"),)

    sweep: Optional[str] = key(
        "the name of a sweep, or latest",
        "latest",
        re.compile(r"(?!\.+$)[^/\\]+").fullmatch,
        default=None,
    )
    runs: Tuple[str, ...] = key("run ids in brackets, with commas", "[ID,ID]", _are_ids, default=())
    experiment: Optional[str] = key(
        "the name of an experiment", EXPERIMENT, default=None, name="tracking.experiment"
    )
    uri: Optional[str] = key("an MLflow tracking URI", "URI", default=None, name="tracking.uri")
    reference: Optional[str] = key(
        "a precision mode, or settings with commas between", "must_keep_origin_dtype", default=None
    )
    require_accuracy: Optional[float] = key(
        "a number from 0 to 1", 0.975, within(0, 1), default=None
    )

    def __post_init__(self) -> None:
        """Raise ConfigError where a sweep and runs are named."""
        if self.sweep is not None and self.runs:
            shown, remedy = f"[{','.join(self.runs)}]", self.command("sweep", self.sweep)
            raise ConfigError("runs", shown, "sweep= or runs=, not both", remedy)
