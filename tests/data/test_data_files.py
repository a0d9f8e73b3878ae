"""Data files that people really have: what is read, as what, and what is refused with its name."""

from __future__ import annotations

import gzip
import io
import os
import struct
import zipfile

import numpy as np
import pytest

from lenet_exp.data import formats, images, mnist
from lenet_exp.errors import DataError

pytestmark = pytest.mark.stackless

TRAIN, TEST = 240, 30
OFFICIAL = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
KERAS = ("x_train", "y_train", "x_test", "y_test")
RNG = np.random.RandomState(7)
ARRAYS = (
    RNG.randint(0, 256, (TRAIN, 28, 28)).astype(np.uint8),
    (np.arange(TRAIN) % 10).astype(np.uint8),
    RNG.randint(0, 256, (TEST, 28, 28)).astype(np.uint8),
    (np.arange(TEST) % 10).astype(np.uint8),
)


def idx(array):
    kind = {"u1": 8, "i4": 12, "f4": 13}[array.dtype.str[1:]]
    big = array.astype(array.dtype.newbyteorder(">"))
    return struct.pack(f">{1 + array.ndim}I", kind << 8 | array.ndim, *array.shape) + big.tobytes()


def write(folder, names=OFFICIAL, arrays=ARRAYS, pack=idx):
    for name, array in zip(names, arrays):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pack(array))
    return folder


def member(array):
    held = io.BytesIO()
    np.savez_compressed(held, arr_0=array)
    return held.getvalue()


def keras(folder, names=KERAS, arrays=ARRAYS, name="mnist.npz"):
    np.savez(str(folder / name), **dict(zip(names, arrays)))
    return folder


def renamed(form):
    return [form.format(name) for name in OFFICIAL]


def emnist(kind="digits"):
    parts = [(part, what) for part in ("train", "test") for what in ("images-idx3", "labels-idx1")]
    return [f"emnist-{kind}-{part}-{what}-ubyte" for part, what in parts]


def transposed(arrays=ARRAYS):
    return [array.swapaxes(1, 2) if array.ndim == 3 else array for array in arrays]


def one_hot(labels, classes=10, dtype=np.float32):
    return np.eye(classes, dtype=dtype)[labels]


def shaped(image_shape, label=lambda labels: labels):
    images, labels, test_images, test_labels = ARRAYS
    return [
        images.reshape(TRAIN, *image_shape),
        label(labels),
        test_images.reshape(TEST, *image_shape),
        label(test_labels),
    ]


def qmnist(folder):
    wide = [np.stack([labels] + [labels + 90] * 7, axis=1).astype("i4") for labels in ARRAYS[1::2]]
    names = [f"qmnist-{part}-{what}" for part in ("train", "test") for what in
             ("images-idx3-ubyte", "labels-idx2-int")]  # fmt: skip
    return write(folder, names, [ARRAYS[0], wide[0], ARRAYS[2], wide[1]])


def kaggle(folder):
    """Return a folder as Kaggle's is unpacked: each file in a folder of its name, and beside."""
    write(folder, [f"{name}/{name}" for name in OFFICIAL])
    return write(folder, [name.replace("-idx", ".idx") for name in OFFICIAL])


READ = {
    "raw": write,
    "gzip": lambda folder: write(folder, renamed("{}.gz"), pack=lambda a: gzip.compress(idx(a))),
    "gzip under a raw name": lambda folder: write(folder, pack=lambda a: gzip.compress(idx(a))),
    "raw under the name of a gzip": lambda folder: write(folder, renamed("{}.gz")),
    "in folders of their names": lambda folder: write(
        folder, [f"{name}/{name}" for name in OFFICIAL]
    ),
    "copied by macOS": lambda folder: write(
        write(write(folder), renamed("._{}"), pack=lambda a: b"AppleDouble"),
        renamed("__MACOSX/._{}"), pack=lambda a: b"AppleDouble",
    ),
    "in folders, dotted": lambda folder: write(
        folder, [f"{name}/{name.replace('-idx', '.idx')}" for name in OFFICIAL]
    ),
    "in and beside folders": kaggle,
    "torchvision's root": lambda folder: write(folder, renamed("MNIST/raw/{}")),
    "torchvision's, raw and gzip": lambda folder: write(
        write(folder, renamed("FashionMNIST/raw/{}")),
        renamed("FashionMNIST/raw/{}.gz"),
        pack=lambda a: gzip.compress(idx(a)),
    ),
    "a folder of another set inside": lambda folder: write(write(folder), renamed("old/{}")),
    "EMNIST digits": lambda folder: write(folder, emnist(), transposed()),
    "EMNIST's mnist, gzip": lambda folder: write(
        folder, [f"{name}.gz" for name in emnist("mnist")], transposed(),
        lambda a: gzip.compress(idx(a)),
    ),
    "KMNIST's npz": lambda folder: write(
        folder,
        [f"kmnist-{part}-{what}.npz" for part in ("train", "test") for what in ("imgs", "labels")],
        pack=member,
    ),
    "QMNIST": qmnist,
    "keras": keras,
    "keras, 784 pixels": lambda folder: keras(folder, arrays=shaped((784,))),
    "keras, a channel behind": lambda folder: keras(folder, arrays=shaped((28, 28, 1))),
    "keras, a channel before": lambda folder: keras(folder, arrays=shaped((1, 28, 28))),
    "keras, Fortran's order": lambda folder: keras(
        folder, arrays=[np.asfortranarray(array) for array in ARRAYS]
    ),
    "keras, float64": lambda folder: keras(folder, arrays=[a.astype("f8") for a in ARRAYS]),
    "keras, big-endian": lambda folder: keras(folder, arrays=[a.astype(">i8") for a in ARRAYS]),
    "one-hot": lambda folder: keras(folder, arrays=shaped((28, 28), one_hot)),
    "one-hot, bool": lambda folder: keras(
        folder, arrays=shaped((28, 28), lambda labels: one_hot(labels, dtype=bool))
    ),
    "labels in a column": lambda folder: keras(
        folder, arrays=shaped((28, 28), lambda labels: labels[:, None])
    ),
    "MedMNIST's names": lambda folder: keras(
        folder, ["train_images", "train_labels", "test_images", "test_labels"]
    ),
    "idx of 784 pixels": lambda folder: write(folder, arrays=shaped((784,))),
    "idx of int32 labels": lambda folder: write(
        folder, arrays=[a if a.ndim == 3 else a.astype("i4") for a in ARRAYS]
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_a_set_of_ten_classes_is_read_however_it_is_kept(name, tmp_path):
    data = mnist.load(READ[name](tmp_path))
    cut = TRAIN // 12
    wanted = (*ARRAYS[:2], *ARRAYS[2:])
    found = (
        np.concatenate([data.validation.images, data.train.images])[..., 0],
        np.concatenate([data.validation.labels, data.train.labels]),
        data.test.images[..., 0],
        data.test.labels,
    )
    assert len(data.validation.labels) == cut
    for mine, theirs in zip(found, wanted):
        assert mine.dtype == np.uint8
        assert np.array_equal(mine, theirs)
    # Two things make a set another one: what is in it, not how it is kept.
    assert data.sha256 == mnist.load(write(tmp_path / "plain")).sha256
    assert f"{TRAIN - cut} training, {cut} validation and {TEST} test examples" in data.notes[-1]
    assert any("turned" in note for note in data.notes) == ("EMNIST" in name)


@pytest.mark.parametrize("name", ["EMNIST digits", "KMNIST's npz", "torchvision's root", "QMNIST"])
def test_predict_reads_the_same_test_set(name, tmp_path):
    shown = images.read(READ[name](tmp_path))
    assert np.array_equal(shown.pixels[..., 0], ARRAYS[2])
    assert np.array_equal(shown.labels, ARRAYS[3])
    assert bool(shown.notes) == ("EMNIST" in name)


def test_one_file_of_a_set_names_it_where_a_folder_holds_several(tmp_path):
    write(write(tmp_path, emnist("digits"), transposed()), emnist("mnist"), transposed(ARRAYS))
    with pytest.raises(DataError, match=r"holds 2 data sets: emnist-digits-") as caught:
        mnist.load(tmp_path)
    assert str(tmp_path / emnist("digits")[0]) in str(caught.value)
    assert np.array_equal(mnist.load(tmp_path / emnist("mnist")[0]).test.labels, ARRAYS[3])
    write(tmp_path / "roots", [*renamed("MNIST/raw/{}"), *renamed("KMNIST/raw/{}")], ARRAYS * 2)
    with pytest.raises(DataError, match="holds 2 data sets: KMNIST/raw, MNIST/raw"):
        mnist.load(tmp_path / "roots")


def with_array(name, array, form=keras, **options):
    arrays = [array if name == one else other for one, other in zip(KERAS, ARRAYS)]
    return lambda folder: form(folder, arrays=arrays, **options)


def spoilt(name, change):
    def make(folder):
        write(folder)
        (folder / name).write_bytes(change((folder / name).read_bytes()))
        return folder

    return make


def in_place_of(name, content):
    return spoilt(name, lambda raw: content)


def npz(change):
    def make(folder):
        keras(folder)
        path = folder / "mnist.npz"
        path.write_bytes(change(path.read_bytes()))
        return folder

    return make


def endless(folder):
    """Return a folder with an array that its header alone makes large."""
    keras(folder)
    path = folder / "mnist.npz"
    with zipfile.ZipFile(str(path), "w") as archive:
        for name in KERAS:
            held = io.BytesIO()
            header = {"descr": "|u1", "fortran_order": False, "shape": (10**14,)}
            np.lib.format.write_array_header_1_0(held, header)
            archive.writestr(f"{name}.npy", held.getvalue())
    return folder


def single(name, content=b""):
    def make(folder):
        (folder / name).write_bytes(content)
        return folder

    return make


def without(name, make_instead=lambda path: None):
    def make(folder):
        write(folder)
        (folder / name).unlink()
        make_instead(folder / name)
        return folder

    return make


TERABYTES = struct.pack(">4I", 2051, 2**32 - 1, 28, 28)
TWICE = gzip.compress(gzip.compress(bytes(99)))
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
BITS = np.arange(TEST * 784).reshape(TEST, 784) % 2
OTHER = "t10k-labels-idx1-ubyte"
REFUSED = {
    "26 classes": (
        with_array(
            "y_train", np.arange(TRAIN, dtype="u1") % 26 + 1, write, names=emnist("letters")
        ),
        "26 classes",
    ),
    "47 classes": (
        with_array("y_test", np.arange(TEST, dtype="u1") + 17, write, names=emnist("balanced")),
        f"{TEST} classes",
    ),
    "49 classes": (
        with_array("y_train", np.arange(TRAIN) % 49),
        "49 classes",
    ),
    "47 one-hot": (
        with_array("y_train", one_hot(np.arange(TRAIN) % 47, 47)),
        "47 classes",
    ),
    "labels 1 to 10": (
        with_array("y_train", np.arange(TRAIN) % 10 + 1),
        "other labels than 0 to 9: 1 to 10",
    ),
    "in colour": (
        with_array("x_train", np.zeros((TRAIN, 28, 28, 3), "u1")),
        "images of 28x28x3 pixels",
    ),
    "32x32": (
        with_array("x_train", np.zeros((TRAIN, 32, 32), "u1"), write),
        "images of 32x32 pixels",
    ),
    "pixels of 0 to 1": (
        with_array("x_train", np.ones((TRAIN, 784), "f4")),
        "multiply them by 255",
    ),
    "whole pixels of 0 and 1": (with_array("x_test", BITS.astype("u1")), "multiply them by 255"),
    "pixels that are on or off": (with_array("x_test", BITS == 1), "multiply them by 255"),
    "pixels that are fractions": (
        with_array("x_train", np.full((TRAIN, 784), 1.5)),
        "not whole numbers",
    ),
    "no number": (
        with_array("x_train", np.full((TRAIN, 784), np.nan)),
        "outside 0..255",
    ),
    "not one-hot": (
        with_array("y_train", np.ones((TRAIN, 10), "u1")),
        "not one-hot",
    ),
    "text": (
        with_array("y_train", np.array(["a"] * TRAIN)),
        "not numbers",
    ),
    "other counts of labels": (
        with_array("y_test", ARRAYS[3][:-1]),
        f"{TEST - 1} test labels for {TEST} images",
    ),
    "too few": (
        lambda folder: keras(folder, arrays=[array[:11] for array in ARRAYS]),
        "11 training and 11 test examples",
    ),
    "no test set": (
        lambda folder: keras(folder, arrays=[*ARRAYS[:2], ARRAYS[2][:0], ARRAYS[3][:0]]),
        "0 test examples",
    ),
    "a pickle": (
        with_array("x_train", np.array([{"a": 1}], object)),
        "a pickle, which is a program",
    ),
    "npz of other names": (lambda folder: keras(folder, ("a", "b", "c", "d")), "it has a, b, c, d"),
    "npz cut": (npz(lambda raw: raw[:-30]), "is no npz"),
    "npz garbage": (npz(lambda raw: b"\x93NUMP" + raw[6:-60]), "is no npz"),
    "npz that is a npy": (npz(lambda raw: b"\x93NUMPY\1\0"), "a .npy, one array"),
    "npz of a web page": (npz(lambda raw: b"<!DOCTYPE html>"), "a web page"),
    "npz of nothing": (npz(lambda raw: b""), "is no npz"),
    "npz bent inside": (npz(lambda raw: raw.replace(b"'descr'", b"'desc '")), "is damaged"),
    "npz, checksum": (npz(lambda raw: raw[:5000] + b"\0\1" + raw[5002:]), "is damaged"),
    "npz that says 100 TB": (endless, "at most"),
    "idx that says 3 TB": (in_place_of(OFFICIAL[0], TERABYTES), "at most"),
    "gzip bomb": (
        in_place_of(OTHER, gzip.compress(struct.pack(">2I", 2049, 3) + bytes(50_000_000))),
        "says 3 examples but holds more",
    ),
    "idx cut": (spoilt(OFFICIAL[2], lambda raw: raw[:-392]), f"holds {TEST - 0.5}"),
    "gzip cut": (in_place_of(OTHER, gzip.compress(idx(ARRAYS[3]))[:30]), "damaged or cut gzip"),
    "gzip garbage": (in_place_of(OTHER, b"\x1f\x8b" + bytes(40)), "damaged"),
    "gzip in a gzip": (in_place_of(OTHER, TWICE), "gzip file inside"),
    "images for labels": (in_place_of(OTHER, idx(ARRAYS[0])), "it has 3 dimensions"),
    "Git LFS": (in_place_of(OTHER, LFS), "git lfs pull"),
    "a zip": (in_place_of(OTHER, b"PK\3\4" + bytes(90)), "zip archive, which has to be unpacked"),
    "CSV": (single("mnist_train.csv"), "a CSV table: mnist_train.csv"),
    "Parquet": (single("train-00000-of-00001.parquet"), "a Parquet table"),
    "TFDS": (single("mnist-train.tfrecord-00000-of-00001"), "TFRecords"),
    "PyTorch": (single("training.pt"), "a pickle of PyTorch"),
    "MATLAB": (single("emnist-digits.mat"), "a MATLAB file"),
    "npz of another name": (single("mine.npz"), "which data.path= may name itself: mine.npz"),
    "KMNIST without one": (
        lambda folder: write(folder, ["kmnist-train-imgs.npz"], pack=member),
        "kmnist-train-labels: is missing; kmnist-train-imgs.npz is there",
    ),
    "a folder alone": (without(OTHER, lambda path: path.mkdir()), "Is a directory"),
    "a pipe": (without(OTHER, os.mkfifo), "no regular file"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_anything_else_is_refused_by_what_it_is(name, tmp_path):
    make, told = REFUSED[name]
    make(tmp_path)
    with pytest.raises(DataError) as caught:
        mnist.load(tmp_path)
    what, problem, remedy = caught.value.args
    assert told in f"{what}: {problem}"
    assert str(tmp_path) in what
    assert "allow_pickle" not in str(caught.value)  # numpy's advice: to load it unsafely
    assert "numpy.savez" in remedy  # a way for one's own data, not only MNIST's


def test_what_an_archive_unpacks_to_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "_MOST_BYTES", 1 << 20)
    np.savez_compressed(str(tmp_path / "mnist.npz"), **dict.fromkeys(KERAS, bytes(1 << 21)))
    with pytest.raises(DataError, match="bytes are read"):
        mnist.load(tmp_path)


def test_other_files_of_a_set_are_found_by_their_path(tmp_path):
    keras(tmp_path, name="my-emnist.npz")
    data = mnist.load(tmp_path / "my-emnist.npz")
    assert np.array_equal(data.test.images[..., 0], ARRAYS[2])  # as they are,
    assert not any("turned" in note for note in data.notes)  # and nothing else is said
    (tmp_path / "x.csv").write_text("1")
    for name, told in (("x.csv", "not named like"), ("gone", "is not there")):
        with pytest.raises(DataError, match=told):
            mnist.load(tmp_path / name)
