"""Files of the run folder: whole or not at all."""

from __future__ import annotations

import numpy as np
import pytest

from lenet_exp.record import run_files


def test_performance_precision_is_the_modelzoo_s_format(tmp_path):
    run_files.write_performance_precision(tmp_path, 0.98125, 2.1, 33.3333333)
    assert (tmp_path / "output" / "performance_precision.txt").read_bytes() == (
        b"Final Accuracy accuracy : 0.9812\r\n"
        b"Final Performance ms/step : 2.1000\r\n"
        b"Final Training Duration sec : 33.3333\r\n"
    )


def test_predictions_are_one_byte_each(tmp_path):
    run_files.write_test_predictions(tmp_path, np.arange(10, dtype=np.int64))
    with np.load(str(tmp_path / "test_predictions.npz")) as kept:
        assert kept["classes"].dtype == np.uint8
        assert kept["classes"].tolist() == list(range(10))


def test_a_file_that_cannot_be_finished_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "file"
    run_files.write_bytes(path, b"old")

    def no_room(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run_files.os, "fsync", no_room)
    with pytest.raises(OSError, match="No space"):
        run_files.write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_checkpoint_appears_whole_or_not_at_all(tmp_path):
    def save(prefix):
        with open(prefix + ".index", "wb") as stream:  # noqa: PTH123 - a prefix, no path
            stream.write(b"x")

    path = run_files.write_checkpoint(tmp_path, 7, save, {"losses": np.ones(3)})
    assert sorted(p.name for p in path.iterdir()) == ["model.index", "state.npz"]
    with np.load(str(path / "state.npz")) as state:
        assert state["step"] == 7
        assert state["losses"].tolist() == [1, 1, 1]

    def fail(prefix):
        save(prefix)
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        run_files.write_checkpoint(tmp_path, 8, fail, {})
    assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == ["7"]
