"""What is done once for all jobs is what each would do."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lenet_exp.experiment import dataset
from lenet_exp.record.run import conditions
from lenet_exp.sweep.executors import rehearsal

pytestmark = pytest.mark.stackless


@pytest.fixture(autouse=True)
def kept(monkeypatch):
    found = []
    monkeypatch.setattr(conditions, "_kept", found)
    dataset._read_once.cache_clear()
    return found


@pytest.fixture
def data(tmp_path):
    rng, arrays = np.random.RandomState(0), {}
    for part in ("train", "test"):
        arrays[f"x_{part}"] = rng.randint(0, 256, (120, 28, 28)).astype(np.uint8)
        arrays[f"y_{part}"] = np.arange(120, dtype=np.uint8) % 10
    np.savez(str(tmp_path / "mine.npz"), **arrays)
    return str(tmp_path / "mine.npz")


def test_the_data_are_read_once(data, monkeypatch):
    rehearsal.rehearse(data)
    monkeypatch.setattr(dataset.mnist, "load", None)  # not called again
    assert len(dataset.load_data(data).test.labels) == 120


def test_jobs_record_the_code_that_was_loaded(data, kept, monkeypatch):
    rehearsal.rehearse(data)
    begun = kept[0].code_sha256
    monkeypatch.setattr(conditions, "code_sha256", lambda: "of what was changed since")
    recorded = json.loads(conditions.files("", "cpu", {}, {})["conditions.json"])
    assert recorded["code_sha256"] == begun


def test_data_that_can_t_be_read_is_for_a_job_to_say(tmp_path, kept):
    rehearsal.rehearse(str(tmp_path / "gone.npz"))
    assert kept
