"""Options of `compare`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Optional, Tuple

from lenet_exp.config.cli.options import Options
from lenet_exp.config.schema.keys import key, within
from lenet_exp.errors import ConfigError

EXPERIMENT = "lenet-exp"


@dataclass(frozen=True)
class CompareOptions(Options):
    """What is compared: a sweep, or these runs, or else the experiment.

    Where none of the three is named: the last sweep, or else the experiment.
    """

    VERB: ClassVar[str] = "compare"

    sweep: Optional[str] = key("the name of a sweep, or latest", "latest", default=None)
    runs: Tuple[str, ...] = key("run ids in brackets, with commas", "[ID,ID]", bool, default=())
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
