"""Files of the run folder: whole or not at all."""

from __future__ import annotations

import numpy as np
import pytest

from lenet_exp.record.run import results, run_files

pytestmark = pytest.mark.stackless


def test_performance_precision_is_the_modelzoo_s_format(tmp_path):
    results.write_performance_precision(run_files.RunFolder(tmp_path), 0.98125, 2.1, 33.3333333)
    assert (tmp_path / "output" / "performance_precision.txt").read_bytes() == (
        b"Final Accuracy accuracy : 0.9812\r\n"
        b"Final Performance ms/step : 2.1000\r\n"
        b"Final Training Duration sec : 33.3333\r\n"
    )


def test_predictions_are_one_byte_each(tmp_path):
    classes, labels = np.arange(10), np.arange(10)[::-1]
    results.write_test_predictions(run_files.RunFolder(tmp_path), classes, labels)
    with np.load(str(tmp_path / "test_predictions.npz")) as kept:
        assert {kept[name].dtype for name in kept} == {np.dtype(np.uint8)}
        assert kept["classes"].tolist() == classes.tolist()
        assert kept["labels"].tolist() == labels.tolist()


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


def test_what_a_killed_process_left_half_written_is_removed_and_nothing_else(tmp_path):
    kept = [tmp_path / "figures" / "loss.png", tmp_path / ".hydra" / "config.yaml"]
    kept += [tmp_path / ".photo.part", tmp_path / "mine" / ".loss.png.12.part"]
    kept += [tmp_path / ".film.iso.12.part", tmp_path / ".lease.json.n1.12.part"]
    left = [
        tmp_path / "figures" / ".loss.png.12.part",
        tmp_path / "checkpoints" / ".7.12.part" / "x",
    ]
    for path in kept + left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    run_files.RunFolder(tmp_path).remove_unfinished()
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(kept)
