"""A part of MNIST, for runs that are not about accuracy: testing on all of it takes longest."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np

from lenet_exp.data import mnist
from lenet_exp.data.files import FILES
from lenet_exp.record.store.processes import written_whole

TRAIN, TEST = 12_000, 500  # images; of the former 1 000 are for validation
PART_FILE = Path(tempfile.gettempdir(), f"lenet-exp-tests-{os.getuid()}-mnist-{TRAIN}-{TEST}.npz")
PART = f"data.path={PART_FILE}"  # of a run; the projects of tests/end_to_end see that it is there


def make_part(official: Path) -> None:
    """Write PART_FILE, of the folder of the official files, unless it is there."""
    if PART_FILE.exists():
        return
    images, labels, test_images, test_labels = (official / file.name for file in FILES)
    with written_whole(PART_FILE) as made, made.open("wb") as stream:
        np.savez(
            stream,
            x_train=mnist.read_images(images)[:TRAIN],
            y_train=mnist.read_labels(labels)[:TRAIN],
            x_test=mnist.read_images(test_images)[:TEST],
            y_test=mnist.read_labels(test_labels)[:TEST],
        )
