"""Damaged data files, records and settings: read, or refused in words; never anything else."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import struct
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lenet_exp.config.cli.command_line import check_command_line
from lenet_exp.data import images, mnist
from lenet_exp.errors import LenetExpError
from lenet_exp.experiment import resume
from lenet_exp.record.run import checkpoints, run_folders
from lenet_exp.record.store import journal
from lenet_exp.training.history import History, Steps
from tests.fuzz.mutations import mutants

pytestmark = pytest.mark.stackless

COUNT, COUNT_OF_ALL = 8, 150
LABELS = (np.arange(24) % 10).astype(np.uint8)
PIXELS = np.random.RandomState(3).randint(0, 256, (24, 28, 28)).astype(np.uint8)
IMAGES_IDX = struct.pack(">4I", 2051, 24, 28, 28) + PIXELS.tobytes()
LABELS_IDX = struct.pack(">2I", 2049, 24) + LABELS.tobytes()


def npz(save, **arrays):
    held = io.BytesIO()
    save(held, **arrays)
    return held.getvalue()


def png(image, **options):
    held = io.BytesIO()
    image.save(held, "png", **options)
    return held.getvalue()


def lines(*entries):
    text = [dict(zip(journal.Entry._fields, (*one, 5)[:4])) for one in entries]
    return "".join(json.dumps(one) + "\n" for one in text).encode()


ARRAYS = {"x_train": PIXELS, "y_train": LABELS, "x_test": PIXELS, "y_test": LABELS}
NPZ = [npz(np.savez, **ARRAYS), npz(np.savez_compressed, **ARRAYS)]
LABEL_FILES = [LABELS_IDX, gzip.compress(LABELS_IDX)]
IMAGE_FILES = [IMAGES_IDX, gzip.compress(IMAGES_IDX)]
DIGIT = Image.fromarray(PIXELS[0])
PNG = [
    png(DIGIT),
    png(DIGIT.convert("RGBA").resize((40, 30))),
    png(DIGIT.convert("P"), transparency=3),
    png(Image.fromarray(PIXELS[0].astype(np.uint16) << 8)),
]
HISTORY = History().with_window(Steps(np.ones(1, "f4"), np.zeros(1, bool), 1.0), 0.5, True)
RECORD = lines(
    ("run", {"run_id": "ab", "name": "x", "cwd": "/nowhere", "uri": "sqlite:///x"}, 1),
    ("tags", {"sweep": "s", "process": '{"pid": 3}', "config_hash": "c"}, 2),
    ("params", {"seed": 3, "precision.mode": "force_fp16", "exclude": []}, 3),
    ("metrics", {"loss": 0.5, "accuracy": 1e-5, "skipped_steps": 3}, 4, 100),
    ("artifact", {"path": "figures"}, 5),
    ("status", {"status": "FINISHED"}, 6),
)
PRESET = b"""# @package _global_
defaults:
  - override /precision: force_fp16
  - override /optimizer: adam
optimizer:
  epsilon: 1.0e-4
schedule: {epochs: 2, steps_per_epoch: 10}
seed: 3
exclude: []
hydra:
  sweeper:
    params:
      seed: 0,1
"""


@pytest.fixture(scope="module")
def settings_text():
    """A run's settings as its folder has them."""
    from hydra import compose

    from lenet_exp.config.cli.config_loader import hydra_session, without_hydra
    from lenet_exp.config.compose import resolve

    with hydra_session("run"):
        composed = without_hydra(compose("config", ["schedule=smoke", "loss_scale=dynamic"]))
    resolve(composed)
    from omegaconf import OmegaConf

    return OmegaConf.to_yaml(composed, resolve=True).encode()


def of_file(name, read, *originals):
    """Return what writes a mutant to a file of this name, and reads that."""

    def use(folder, content):
        (folder / name).write_bytes(content)
        read(folder / name)

    return use, originals


def in_a_set(name):
    """Return what reads the set, of which one file is the mutant."""

    def use(folder, content):
        for part in ("train", "t10k"):
            (folder / f"{part}-images-idx3-ubyte").write_bytes(IMAGES_IDX)
            (folder / f"{part}-labels-idx1-ubyte").write_bytes(LABELS_IDX)
        (folder / name).write_bytes(content)
        mnist.load(folder)
        images.read(folder)

    return use


def of_run(record=None, settings=None):
    """Return what goes on with a run, of whose folder one file is the mutant."""

    def use(folder, content):
        (folder / journal.NAME).write_bytes(RECORD if record is None else content)
        (folder / "config.yaml").write_bytes(content if settings else b"schedule: {epochs: 1}\n")
        for read in (
            lambda: resume.prepare([f"resume={folder}"]),
            lambda: resume.prepare([f"resume={folder}", "schedule.epochs=7"]),
            lambda: run_folders.settings_of(folder),
        ):
            refused_or_done(read)

    return use


def refused_or_done(read):
    """Read; let pass only a refusal in words, which says nothing of how to load it unsafely."""
    said = "read"
    with contextlib.suppress(LenetExpError):
        try:
            read()
        except LenetExpError as error:
            said = str(error)
            raise
    assert said.strip()
    assert "allow_pickle" not in said


def in_checkpoint(name):
    """Return what looks for a checkpoint to go on with, of which one file is the mutant."""

    def use(folder, content):
        checkpoints.write(folder, HISTORY, lambda prefix: Path(f"{prefix}.index").write_bytes(b"1"))
        path = folder / "checkpoints" / "1" / name
        same = path.read_bytes() == content
        path.write_bytes(content)
        if name == "manifest.json" and not same:  # else the other files' sums say enough
            (path.parent / "state.npz").write_bytes(NPZ[0][:-9])
        found = checkpoints.newest(folder)
        assert (found.path is None) == (not same)
        assert len(found.damaged) == (not same)

    return use


def originals_of(name):
    with tempfile.TemporaryDirectory() as made:
        path = Path(made)
        checkpoints.write(path, HISTORY, lambda prefix: Path(f"{prefix}.index").write_bytes(b"1"))
        return [(path / "checkpoints" / "1" / name).read_bytes()]


def own_preset(folder, content):
    (folder / "experiment").mkdir(exist_ok=True)
    (folder / "experiment" / "mine.yaml").write_bytes(content)
    check_command_line([f"--config-dir={folder}", "experiment=mine"])


KINDS = {
    "npz": of_file("mine.npz", mnist.load, *NPZ),
    "labels": (in_a_set("t10k-labels-idx1-ubyte"), LABEL_FILES),
    "images": (in_a_set("train-images-idx3-ubyte"), IMAGE_FILES),
    "png": of_file("x.png", images.read, *PNG),
    "journal": (of_run(record=True), [RECORD]),
    "settings": (of_run(settings=True), None),
    "preset": (own_preset, [PRESET]),
    "state": (in_checkpoint("state.npz"), originals_of("state.npz")),
    "manifest": (in_checkpoint("manifest.json"), originals_of("manifest.json")),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("seed", "count"),
    [("quick", COUNT), pytest.param("all", COUNT_OF_ALL, marks=pytest.mark.full)],
)
def test_a_damaged_file_is_read_or_refused_in_words(kind, seed, count, tmp_path, settings_text):
    use, originals = KINDS[kind]
    for number, content in enumerate(
        mutants(f"{kind} {seed}", originals or [settings_text], count)
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        refused_or_done(lambda: use(folder, content))  # noqa: B023 - called at once


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_mutants_are_made_of_is_right(kind, tmp_path, settings_text):
    use, originals = KINDS[kind]
    for number, content in enumerate(originals or [settings_text]):
        folder = tmp_path / str(number)
        folder.mkdir()
        use(folder, content)
