"""Options of `predict`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

from lenet_exp.config import checks
from lenet_exp.config.cli.command_line import settings_to_explain
from lenet_exp.config.cli.options import Options
from lenet_exp.config.schema.keys import key, one_of, within
from lenet_exp.config.schema.run import Settings


@dataclass(frozen=True)
class PredictOptions(Options):
    """`model` and `images`: a path, or the id of a run, latest, mnist; `batch` images a call."""

    VERB = "predict"
    OF_A_RUN = ("precision", "hardware", "threads")

    settings: Settings
    model: Path = key("a .pb, a SavedModel, a checkpoint, a run folder, ID or latest", "latest")
    images: Path = key("a PNG, a folder of PNGs or of MNIST's test set, an idx file, or mnist",
                       "mnist")  # fmt: skip
    batch: int = key("a whole number from 1 to 99999", 64, within(1, 99999), default=64)
    format: str = one_of("table", "csv", good="csv", default="table")

    @classmethod
    def read(cls, arguments: Sequence[str]) -> PredictOptions:
        """Return what is asked; in float32, as the graph has it, where no mode is.

        Raises:
            ConfigError: as `Options.read`, and as a run for its settings.
        """
        given, others = cls.split(arguments)
        for argument in others:  # what else means nothing to a network that is trained already
            if argument.partition("=")[0].partition(".")[0] not in cls.OF_A_RUN:
                raise cls.unknown(argument, dict(each.partition("=")[::2] for each in arguments))
        chosen = any(argument.startswith("precision=") for argument in others)
        of_run = [*([] if chosen else ["precision=must_keep_origin_dtype"]), *others]
        settings = settings_to_explain(of_run, cls.program())
        checks.check_runnable(settings)
        return cls(settings, **given)
