"""What MLflow's own environment variables say of the experiment."""

from __future__ import annotations

import os
from typing import Iterator

EXPERIMENT = "lenet-exp"
_NAME, _ID = "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID"


def experiment_name(default: str = EXPERIMENT) -> str:
    """Return the experiment where none was typed: the environment's, else `default`."""
    return os.environ.get(_NAME) or default


def experiment_notices(experiment: str) -> Iterator[str]:
    """Yield what a person should know who records in `experiment`."""
    if os.environ.get(_NAME) == experiment:
        yield f"recorded in experiment {experiment}, as {_NAME} says"
    elif os.environ.get(_ID):
        yield (
            f"recorded in experiment {experiment}: {_ID}={os.environ[_ID]} is not followed,"
            f" but {_NAME} and tracking.experiment are"
        )
