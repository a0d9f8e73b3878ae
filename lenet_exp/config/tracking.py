"""What MLflow's own environment variables say of the experiment."""

from __future__ import annotations

import os
from typing import Dict, Iterable, Iterator, Optional

from lenet_exp.config.passwords import without_password

EXPERIMENT = "lenet-exp"
_NAME, _ID = "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID"
_URI = "MLFLOW_TRACKING_URI"


def experiment_name(default: str = EXPERIMENT) -> str:
    """Return the experiment where none was typed: the environment's, else `default`."""
    return os.environ.get(_NAME, "").strip() or default


def experiment_notices(experiment: str) -> Iterator[str]:
    """Yield what a person should know who records in `experiment`."""
    if os.environ.get(_NAME) == experiment:
        yield f"recorded in experiment {experiment}, as {_NAME} says"
    elif os.environ.get(_ID):
        yield (
            f"recorded in experiment {experiment}: {_ID}={os.environ[_ID]} is not followed,"
            f" but {_NAME} and tracking.experiment are"
        )


def environment_uri() -> Optional[str]:
    """Return the store that the environment names; None too where a password would be shown."""
    uri = os.environ.get(_URI, "").strip()
    return uri if uri and uri == without_password(uri) else None


def of_environment(experiment: str, typed: Iterable[str]) -> Dict[str, str]:
    """Return the keys, with values, that a line needs where this environment is not.

    Args:
        experiment: where the runs of that line are recorded.
        typed: its words so far.
    """
    keys = {word.lstrip("+").partition("=")[0] for word in typed}
    decided = {}
    if os.environ.get(_NAME) == experiment:
        decided["tracking.experiment"] = experiment
    uri = environment_uri()
    if uri:
        decided["tracking.uri"] = uri
    return {key: value for key, value in decided.items() if key not in keys}
