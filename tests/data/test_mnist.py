"""Reading MNIST: the real files, and files that only look like them."""

from __future__ import annotations

import gzip
import os
import shutil
import struct
import tempfile
from pathlib import Path

import numpy as np
import pytest

from lenet_exp.data import files, mnist
from lenet_exp.errors import DataError

pytestmark = pytest.mark.stackless

KEYS = ("x_train", "y_train", "x_test", "y_test")
TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = (f.name for f in files.FILES)


@pytest.fixture
def folder(mnist_folder, tmp_path):
    """A copy of the four files that a test may spoil; links, so that it costs nothing."""
    own = tmp_path / "own"
    own.mkdir()
    for official in files.FILES:
        (own / official.name).symlink_to(mnist_folder / official.name)
    return own


def test_split_is_the_modelzoo_s(mnist_folder):
    data = mnist.load(mnist_folder)
    assert [len(split.labels) for split in (data.train, data.validation, data.test)] == [
        55000,
        5000,
        10000,
    ]
    assert data.train.images.shape == (55000, 28, 28, 1)
    assert data.train.images.dtype == data.train.labels.dtype == np.uint8
    # Typed from the files' own first bytes: the first label is 5, the first test label 7.
    assert list(data.validation.labels[:5]) == [5, 0, 4, 1, 9]
    assert list(data.test.labels[:5]) == [7, 2, 1, 0, 4]
    assert int(data.validation.images[0].sum()) == 27525


def replace(folder, name, content):
    (folder / name).unlink()
    (folder / name).write_bytes(content)


def test_names_and_packing_of_ones_own_files_do_not_matter(folder, mnist_folder):
    wanted = mnist.load(mnist_folder)
    dotted = TEST_IMAGES.replace("-idx", ".idx")
    (folder / TEST_IMAGES).rename(folder / dotted)
    raw = (folder / TEST_LABELS).read_bytes()
    (folder / TEST_LABELS).unlink()
    (folder / (TEST_LABELS + ".gz")).write_bytes(gzip.compress(raw))
    found = mnist.load(folder)
    assert found.sha256 == wanted.sha256
    assert np.array_equal(found.test.images, wanted.test.images)


def test_keras_npz_gives_the_same_arrays(tmp_path, mnist_folder):
    wanted = mnist.load(mnist_folder)
    train = np.concatenate([wanted.validation.images, wanted.train.images])[..., 0]
    labels = np.concatenate([wanted.validation.labels, wanted.train.labels])
    path = tmp_path / "mnist.npz"
    test = wanted.test.images[..., 0]
    np.savez(str(path), x_train=train, y_train=labels, x_test=test, y_test=wanted.test.labels)
    assert mnist.load(tmp_path).sha256 == wanted.sha256
    assert mnist.load(path).sha256 == wanted.sha256


def packed(path, change=lambda raw: raw):
    np.savez(str(path), **{key: np.zeros(3, np.uint8) for key in KEYS})
    path.write_bytes(change(path.read_bytes()))


def encrypted(path):
    def flag(raw):
        raw = raw.replace(b"PK\3\4\x14\0\0", b"PK\3\4\x14\0\1")
        return raw.replace(b"PK\1\2\x14\3\x14\0\0", b"PK\1\2\x14\3\x14\0\1")

    packed(path, flag)


def unknown_method(path):
    packed(path, lambda raw: raw.replace(b"PK\1\2\x14\3\x14\0\0\0\0", b"PK\1\2\x14\3\x14\0\0\0c"))


@pytest.mark.parametrize("make", [packed, encrypted, unknown_method])
def test_an_npz_that_is_none_is_named(make, tmp_path):
    path = tmp_path / "mnist.npz"
    make(path)
    with pytest.raises(DataError) as caught:
        mnist.load(tmp_path)
    assert str(path) in str(caught.value)


def cut_gzip(raw):
    return gzip.compress(raw)[:2000]


def idx_labels(values):
    return struct.pack(">2I", 2049, len(values)) + bytes(values)


WRONG = [
    pytest.param(TEST_LABELS, lambda raw: b"", "too short", id="empty"),
    pytest.param(TEST_LABELS, lambda raw: b"PNG" + raw[3:], "is not a label file", id="bad magic"),
    pytest.param(TEST_IMAGES, lambda raw: raw[:-1], "says 10000 examples but holds", id="cut"),
    pytest.param(
        TEST_LABELS, lambda raw: raw + b"\0", "says 10000 examples but holds more", id="too long"
    ),
    pytest.param(
        TEST_IMAGES,
        lambda raw: struct.pack(">4I", 2051, 10000, 14, 56) + raw[16:],
        "14x56 pixels, not 28x28",
        id="other image size",
    ),
    pytest.param(
        TEST_LABELS,
        lambda raw: idx_labels([1] * 9999),
        "9999 test labels for 10000 images",
        id="one short",
    ),
    pytest.param(
        TEST_LABELS, lambda raw: raw[:50] + b"\x0b" + raw[51:], "label 42 is 11", id="label over 9"
    ),
    pytest.param(TEST_LABELS + ".gz", cut_gzip, "damaged or cut gzip", id="cut gzip"),
]


@pytest.mark.parametrize(("name", "spoil", "told"), WRONG)
def test_a_spoilt_file_is_named(folder, name, spoil, told):
    plain = name[:-3] if name.endswith(".gz") else name
    raw = (folder / plain).read_bytes()
    (folder / plain).unlink()
    (folder / name).write_bytes(spoil(raw))
    with pytest.raises(DataError) as caught:
        mnist.load(folder)
    assert str(folder / name) in str(caught.value)
    assert told in str(caught.value)
    assert caught.value.exit_code == 2


def test_images_and_labels_of_other_length_are_refused(folder):
    raw = (folder / TRAIN_LABELS).read_bytes()
    replace(folder, TRAIN_LABELS, idx_labels(raw[8 : 8 + 55000]))
    with pytest.raises(DataError, match="55000 train labels for 60000 images"):
        mnist.load(folder)


def test_a_missing_and_an_empty_folder_are_told_apart(folder, tmp_path):
    (folder / TEST_LABELS).unlink()
    with pytest.raises(DataError, match=TEST_LABELS):
        mnist.load(folder)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match="none of the four"):
        mnist.load(empty)


@pytest.fixture
def ordinary_user():
    """Root may read everything: become nobody for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_file_without_permission_is_named(mnist_folder, request):
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for official in files.FILES[1::2]:  # the labels are small
            shutil.copy(str(mnist_folder / official.name), made)
        (folder / TRAIN_IMAGES).write_bytes(b"")
        (folder / TRAIN_IMAGES).chmod(0)
        (folder / TEST_IMAGES).write_bytes(b"")
        folder.chmod(0o755)
        request.getfixturevalue("ordinary_user")
        with pytest.raises(DataError, match="Permission denied") as caught:
            mnist.load(folder)
        assert str(folder / TRAIN_IMAGES) in str(caught.value)
        if os.getuid() == 0:
            os.seteuid(0)


def test_a_folder_in_place_of_a_file_is_named(folder):
    (folder / TEST_LABELS).unlink()
    (folder / TEST_LABELS).mkdir()
    with pytest.raises(DataError, match="Is a directory"):
        mnist.load(folder)
