"""Checkpoints: whole or not at all, verified, and only those kept that are needed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lenet_exp.record.run import checkpoints
from lenet_exp.training.history import History, Steps


def history(steps, *validated):
    """Return a history of `steps` steps, validated at (step, accuracy)."""
    whole = History()
    for step in range(steps):
        made = Steps(np.array([step], np.float32), np.array([step % 2 == 1]), 8.0)
        whole = whole.with_window(made, 0.5, cold=step == 0)
        for at, accuracy in validated:
            if at == whole.step:
                whole = whole.with_validation(accuracy)
    return whole


def save(prefix):
    Path(prefix + ".index").write_bytes(b"variables")


def kept(folder):
    return sorted(int(path.name) for path in (folder / "checkpoints").iterdir())


def test_what_is_written_is_read_back(tmp_path):
    told = history(3, (2, 0.5))
    path = checkpoints.write(tmp_path, told, save)
    assert sorted(file.name for file in path.iterdir()) == [
        "manifest.json",
        "model.index",
        "state.npz",
    ]
    found = checkpoints.newest(tmp_path)
    assert (found.path, found.damaged) == (path, [])
    assert found.prefix == str(path / "model")
    for mine, theirs in zip(told, found.history):
        assert (mine.dtype, mine.tolist()) == (theirs.dtype, theirs.tolist())


def test_no_checkpoint_is_an_empty_history(tmp_path):
    found = checkpoints.newest(tmp_path)
    assert (found.path, found.history.step, found.damaged) == (None, 0, [])


def test_one_that_cannot_be_finished_leaves_the_older_ones(tmp_path):
    checkpoints.write(tmp_path, history(1), save)

    def fail(prefix):
        save(prefix)
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        checkpoints.write(tmp_path, history(2), fail)
    assert kept(tmp_path) == [1]


@pytest.mark.parametrize(
    ("validated", "expected"),
    [
        pytest.param([], [4, 5], id="the last two"),
        pytest.param([(2, 0.9), (4, 0.8)], [2, 4, 5], id="and the best"),
        pytest.param([(2, 0.9), (3, 0.9)], [2, 4, 5], id="the first of equals"),
        pytest.param([(2, 0.9), (5, 0.95)], [4, 5], id="which may be among them"),
    ],
)
def test_the_last_two_and_the_best_are_kept(tmp_path, validated, expected):
    for step in range(1, 6):
        checkpoints.write(tmp_path, history(step, *validated), save)
    assert kept(tmp_path) == expected


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        pytest.param("model.index", cut, id="a variable's file is cut"),
        pytest.param("state.npz", cut, id="the history is cut"),
        pytest.param("state.npz", Path.unlink, id="a file is missing"),
        pytest.param("manifest.json", cut, id="the manifest is cut"),
        pytest.param("manifest.json", Path.unlink, id="the manifest is missing"),
    ],
)
def test_a_damaged_one_is_named_and_the_one_before_taken(tmp_path, name, damage):
    good = checkpoints.write(tmp_path, history(1), save)
    bad = checkpoints.write(tmp_path, history(2), save)
    damage(bad / name)
    found = checkpoints.newest(tmp_path)
    assert (found.path, found.history.step) == (good, 1)
    assert len(found.damaged) == 1
    assert str(bad) in found.damaged[0]
    # Reached again, it is written anew, and the good ones beside it stay.
    checkpoints.write(tmp_path, history(2), save)
    assert checkpoints.newest(tmp_path)._replace(history=None) == (bad, None, [])
    assert kept(tmp_path) == [1, 2]
