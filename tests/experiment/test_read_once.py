"""The official files are verified once in a process, and again once they are others."""

from __future__ import annotations

import os

import pytest

from lenet_exp.data import files
from lenet_exp.experiment import dataset

pytestmark = pytest.mark.stackless


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Return how often the files of a folder were verified and read so far."""
    calls = []
    monkeypatch.setenv("LENET_EXP_DATA", str(tmp_path))
    monkeypatch.setattr(dataset.download, "fetch", lambda folder, progress: calls.append(folder))
    monkeypatch.setattr(dataset.mnist, "load", lambda folder: object())
    for one in files.FILES:
        (tmp_path / one.name).write_bytes(b"1")
    dataset._verified_once.cache_clear()
    yield calls
    dataset._verified_once.cache_clear()


def test_they_are_read_once(read):
    assert dataset.load_data(None) is dataset.load_data(None)
    assert len(read) == 1


CHANGES = {
    "another size": lambda path: path.write_bytes(b"11"),
    "another time": lambda path: os.utime(str(path), (1, 1)),
    "another file": lambda path: (path.rename(f"{path}.old"), path.write_bytes(b"1")),
    "gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_they_are_read_again_once_they_are_others(read, tmp_path, change):
    dataset.load_data(None)
    CHANGES[change](tmp_path / files.FILES[2].name)
    dataset.load_data(None)
    assert len(read) == 2
