"""What the store has of runs, as values."""

from __future__ import annotations

import re
from typing import Dict, Mapping, NamedTuple, Optional, Tuple

import numpy as np


class Recorded(NamedTuple):
    """One run; `metrics` are last values, `started` is in ms since 1970."""

    run_id: str
    experiment_id: str
    status: str
    started: int
    params: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    artifacts: str  # their URI

    @property
    def seed(self) -> int:
        """The seed it was trained with."""
        return int(self.params.get("seed", "0"))

    @property
    def has_seed(self) -> bool:
        """Whether `seed` is known: a run of somebody else's may call anything a seed."""
        return re.fullmatch("[0-9]{1,18}", self.params.get("seed", "0"), re.ASCII) is not None

    @property
    def is_sequential(self) -> bool:
        """Whether what others came to decided that it was made: no single look is left."""
        return self.tags.get("seeds_until") == "decided"

    @property
    def is_parent(self) -> bool:
        """Whether it is no training but the parent run of a sweep."""
        return self.tags.get("sweep_parent") == "true"


class SelectedRuns(NamedTuple):
    """The runs to compare, and the parent run of their sweep, if there is one.

    `folder`: the name of the comparison's; `strange`: runs that no comparison can take.
    """

    title: str
    runs: Tuple[Recorded, ...]
    parent: Optional[Recorded]
    folder: str = "runs"
    strange: Tuple[Recorded, ...] = ()


class Points(NamedTuple):
    """One metric of one run: `steps` int64 [n], ascending, and `values` float64 [n]."""

    steps: np.ndarray
    values: np.ndarray


class Details(NamedTuple):
    """What is read of some runs only, absent where it was not recorded."""

    plans: Dict[str, str]  # label of a configuration -> precision.csv
    settings: Dict[str, str]  # label -> config.yaml
    right: Dict[str, np.ndarray]  # run id -> bool [images]: which test images it has right
