"""Pictures -> arrays as MNIST has them."""

from __future__ import annotations

import gzip
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from lenet_exp.data import images, mnist
from lenet_exp.errors import DataError

pytestmark = pytest.mark.stackless


@pytest.fixture(scope="module")
def test_set(mnist_folder):
    return mnist.load(mnist_folder).test


def read(image, path):
    image.save(str(path))
    return images.read(path).pixels[0, :, :, 0]


@pytest.mark.parametrize(
    "form",
    [
        pytest.param(Image.fromarray, id="as it is"),
        pytest.param(lambda digit: Image.fromarray(255 - digit), id="dark on light"),
        pytest.param(lambda digit: Image.fromarray(digit).convert("RGB"), id="in colours"),
        pytest.param(lambda digit: Image.fromarray(digit.astype(np.uint16) << 8), id="16 bits"),
    ],
)
def test_one_of_mnist_s_size_keeps_every_pixel(test_set, tmp_path, form):
    digit = test_set.images[7, :, :, 0]
    assert np.array_equal(read(form(digit), tmp_path / "x.png"), digit)


@pytest.mark.parametrize("light", [False, True])
@pytest.mark.parametrize("index", [0, 1, 2, 3, 4])
def test_a_large_one_off_centre_becomes_nearly_the_one_it_was_made_of(
    test_set, tmp_path, index, light
):
    digit = test_set.images[index, :, :, 0]
    page = Image.new("L", (900, 400))
    page.paste(Image.fromarray(digit).resize((280, 280), Image.Resampling.BICUBIC), (550, 30))
    shown = Image.fromarray(255 - np.asarray(page)) if light else page
    found = read(shown, tmp_path / "x.png").astype(np.float64)
    # Of the same ink in the same place: far nearer than any other digit.
    assert np.corrcoef(found.ravel(), digit.ravel())[0, 1] > 0.9
    rows, columns = np.indices(found.shape) + 0.5
    for axis in (rows, columns):
        assert 13.9 < (found * axis).sum() / found.sum() < 15.1


def test_a_thin_stroke_and_a_faint_one_are_seen(tmp_path):
    pixels = np.zeros((300, 200), np.uint8)
    pixels[40:260, 90:96] = 90  # a 1, faint
    found = read(Image.fromarray(pixels), tmp_path / "x.png")
    rows = np.flatnonzero(found.max(axis=1))
    assert (rows[0], rows[-1]) == (4, 23)  # 20 pixels, in the middle
    assert found.max() == 255


def test_a_scan_that_is_blank_but_for_specks_shows_no_digit(tmp_path):
    pixels = np.full((1200, 900), 255, np.uint8)
    pixels[100:102, 100:102] = pixels[1100:1102, 800:802] = 0
    with pytest.raises(DataError, match=r"x\.png: shows no digit"):
        read(Image.fromarray(pixels), tmp_path / "x.png")


def test_labels_are_those_of_folders_and_of_the_file_beside(test_set, mnist_folder, tmp_path):
    for label in (3, 5):
        (tmp_path / str(label)).mkdir()
        Image.fromarray(test_set.images[0, :, :, 0]).save(str(tmp_path / str(label) / "x.png"))
    found = images.read(tmp_path)
    assert (found.names, found.labels.tolist()) == (["3/x.png", "5/x.png"], [3, 5])
    for name in ("3/._x.png", "._y.png", ".cache/x.png"):  # macOS', and what tools keep
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"AppleDouble")
    assert images.read(tmp_path).names == found.names
    Image.fromarray(test_set.images[0, :, :, 0]).save(str(tmp_path / "y.PNG"))
    assert images.read(tmp_path).labels is None  # one is not known

    alone = tmp_path / "t10k-images-idx3-ubyte.gz"
    raw = (mnist_folder / "t10k-images-idx3-ubyte").read_bytes()
    with gzip.open(str(alone), "wb", compresslevel=1) as packed:
        packed.write(raw)
    found = images.read(alone)
    assert np.array_equal(found.pixels, test_set.images)
    assert found.labels is None
    labels = (mnist_folder / "t10k-labels-idx1-ubyte").read_bytes()
    with gzip.open(str(tmp_path / "t10k-labels-idx1-ubyte.gz"), "wb") as packed:
        packed.write(labels)
    assert np.array_equal(images.read(alone).labels, test_set.labels)
    assert len(images.read(tmp_path).names) == 10000  # the folder's test set


def test_an_npz_that_a_run_takes_has_the_test_set_too(test_set, tmp_path):
    arrays = {"x_test": test_set.images[:7, :, :, 0], "y_test": test_set.labels[:7]}
    arrays.update(x_train=arrays["x_test"][:1], y_train=arrays["y_test"][:1])
    (tmp_path / "inside").mkdir()
    for name, read_by in [("emnist.npz", "emnist.npz"), ("inside/mnist.npz", "inside")]:
        np.savez(str(tmp_path / name), **arrays)
        found = images.read(tmp_path / read_by)
        assert np.array_equal(found.pixels, test_set.images[:7])
        assert found.labels.tolist() == test_set.labels[:7].tolist()
        assert found.notes == ()  # an npz stores no image column by column

    np.savez(str(tmp_path / "mine.npz"), **{**arrays, "y_test": arrays["y_test"][:3]})
    with pytest.raises(DataError, match=r"mine\.npz: holds 3 test labels for 7 images"):
        images.read(tmp_path / "mine.npz")
    np.savez(str(tmp_path / "mine.npz"), a=arrays["x_test"], b=arrays["y_test"])
    with pytest.raises(DataError, match=r"mine\.npz: has no array x_train; it has a, b"):
        images.read(tmp_path / "mine.npz")


def test_an_enormous_png_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    Image.new("L", (40, 40)).save(str(tmp_path / "x.png"))
    with pytest.raises(DataError, match=r"x\.png: is no image that can be read"):
        images.read(tmp_path / "x.png")


def test_labels_that_are_too_few_are_told(mnist_folder, tmp_path):
    for name in ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        shutil.copy(str(mnist_folder / name), str(tmp_path / name))
    shutil.copy(
        str(mnist_folder / "train-labels-idx1-ubyte"), str(tmp_path / "t10k-labels-idx1-ubyte")
    )
    with pytest.raises(DataError, match="holds 60000 labels for 10000 images"):
        images.read(tmp_path / "t10k-images-idx3-ubyte")


def test_what_may_never_end_is_not_read(tmp_path):
    os.mkfifo(str(tmp_path / "run.png"))
    with pytest.raises(DataError, match="no regular file"):
        images.read(tmp_path / "run.png")
