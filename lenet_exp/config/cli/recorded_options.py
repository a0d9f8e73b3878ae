"""Options of the commands about a run that was recorded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Optional

from lenet_exp.config.cli.options import Options
from lenet_exp.config.schema.keys import key


@dataclass(frozen=True)
class RecordedRun(Options):
    """`run`: a folder, an id or latest, as raw text: an id such as 12e45678 is no number."""

    run: str = key("FOLDER, ID or latest", "latest")


@dataclass(frozen=True)
class RerunOptions(RecordedRun):
    """Nothing but the run."""

    VERB: ClassVar[str] = "rerun"


@dataclass(frozen=True)
class ExportOptions(RecordedRun):
    """`to`: the folder of what is exported; None for one in the run folder."""

    VERB: ClassVar[str] = "export"

    to: Optional[Path] = key("a folder", "DIR", default=None)


@dataclass(frozen=True)
class UploadOptions(RecordedRun):
    """`uri`: another store than the run was to be recorded in."""

    VERB: ClassVar[str] = "upload"

    uri: Optional[str] = key("an MLflow tracking URI", "URI", default=None, name="tracking.uri")


@dataclass(frozen=True)
class ResumeOptions(Options):
    """`resume`: the run that goes on; `epochs`: as text, for the schedule's own check."""

    VERB: ClassVar[str] = "run"

    resume: str = key("FOLDER, ID or latest", "latest")
    epochs: Optional[str] = key(
        "a whole number, not fewer than before", 5, default=None, name="schedule.epochs"
    )
