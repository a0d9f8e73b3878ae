"""What jobs of a sweep do alike, done once before they are forked: each finds it done.

No graph is built and no session opened, since TensorFlow starts threads for either; nothing here
depends on a seed.
"""

from __future__ import annotations

import contextlib
from typing import Optional

import numpy as np

from lenet_exp.data.mnist import Split
from lenet_exp.errors import LenetExpError
from lenet_exp.experiment.dataset import load_data
from lenet_exp.record.pages import run_page
from lenet_exp.record.run import conditions, plots
from lenet_exp.record.store import mlflow_store
from lenet_exp.training.history import History

_FEW = 100  # images: enough for every part of a picture to be drawn


def rehearse(data_path: Optional[str]) -> None:
    """Do it, for jobs whose setting `data.path` is this; what fails here is a job's to say."""
    conditions.keep()
    with contextlib.suppress(LenetExpError, OSError):
        _draw(load_data(data_path).test)
    with contextlib.suppress(LenetExpError, OSError):
        mlflow_store.schema()


def _draw(test: Split) -> None:
    """Make a run's pictures and the parts of its page: fonts and templates are read once."""
    few = Split(test.images[:_FEW], test.labels[:_FEW])
    plots.loss_curve(History(), "")
    plots.confusion_matrix(*few, np.zeros(len(few.labels), np.uint8), "")
    run_page.load()
