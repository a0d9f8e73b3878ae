"""Damaged checkpoints: gone on with, started from, predicted with, or refused in words."""

from __future__ import annotations

import contextlib
import shutil

import numpy as np
import pytest

from lenet_exp.commands import predict
from lenet_exp.errors import LenetExpError
from lenet_exp.model import lenet
from lenet_exp.record.run import checkpoints
from lenet_exp.training.history import History, Steps
from tests.fuzz.mutations import mutants

COUNT, COUNT_OF_ALL = 2, 30
FILES = ("model.index", "model.data-00000-of-00001", "state.npz", "manifest.json")


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """A run folder with a checkpoint of the network after one step."""
    from lenet_exp import tf_compat

    folder = tmp_path_factory.mktemp("run")
    tf = tf_compat.load()
    with tf.Graph().as_default(), tf.Session() as session:
        lenet.logits(tf.placeholder(tf.float32, [1, *lenet.IMAGE_SHAPE]))
        session.run(tf.global_variables_initializer())
        saver = tf.train.Saver()
        steps = Steps(np.ones(1, np.float32), np.zeros(1, bool), 1.0)
        history = History().with_window(steps, 0.5, True)
        checkpoints.write(
            folder,
            history,
            lambda prefix: saver.save(session, prefix, write_meta_graph=False, write_state=False),
        )
    return folder


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    ("seed", "count"),
    [("quick", COUNT), pytest.param("all", COUNT_OF_ALL, marks=pytest.mark.full)],
)
def test_a_damaged_checkpoint_is_refused_in_words(name, seed, count, run_folder, tmp_path):
    whole = checkpoints.newest(run_folder)
    assert (whole.history.step, whole.damaged) == (1, [])
    original = (whole.path / name).read_bytes()
    for number, content in enumerate(mutants(f"{name} {seed}", [original], count)):
        folder = tmp_path / str(number)
        shutil.copytree(str(run_folder), str(folder))
        (folder / "checkpoints" / "1" / name).write_bytes(content)
        found = checkpoints.newest(folder)
        # JSON may be the same with other blanks.
        if content != original and name != "manifest.json":
            assert (found.path, len(found.damaged)) == (None, 1)
        with contextlib.suppress(LenetExpError):
            predict._model(folder)
