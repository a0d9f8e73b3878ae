"""A data set of ten classes of 28x28 as arrays: MNIST's own four files, or any other such set."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from lenet_exp.data import formats, layout
from lenet_exp.data.files import FILES
from lenet_exp.data.layout import REMEDY, ROLES, FileSet
from lenet_exp.errors import DataError

CLASSES = 10
TURNED = "data: EMNIST stores its images transposed; they were turned"
VALIDATION_EXAMPLES = 5000
_TRAINING_SHARE = 12  # at most a twelfth is for validation, as MNIST's 5000 of 60 000 are
_SIDE = 28  # pixels
# keras' names of ROLES, and those that other people give them.
_NPZ_NAMES = (
    ("x_train", "y_train", "x_test", "y_test"),
    ("train_images", "train_labels", "test_images", "test_labels"),
)
_QMNIST_COLUMNS = 8  # of its labels, of which the first is the class


class Split(NamedTuple):
    """Examples: `images` uint8 [n, 28, 28, 1] of 0..255, `labels` uint8 [n] of 0..9."""

    images: np.ndarray
    labels: np.ndarray


class Mnist(NamedTuple):
    """Training, validation and test examples (MNIST: 55 000, 5 000, 10 000), and their SHA-256.

    `notes` say what a person should know of a set that is not MNIST's own.
    """

    train: Split
    validation: Split
    test: Split
    sha256: str
    notes: Tuple[str, ...] = ()


def load(path: Path) -> Mnist:
    """Read and check the data set that `path` means: a folder, an npz, or one of four files.

    As in TensorFlow's own tutorial reader, which the ModelZoo uses, the first 5 000 training
    examples are the validation set; of fewer than MNIST's 60 000, the first twelfth.

    Raises:
        DataError: naming the file that is missing, unreadable or not what it should be.
    """
    try:
        chosen = layout.find(path)
        images, labels, test_images, test_labels = _read(chosen)
    except OSError as error:  # a folder that may be listed but not entered
        raise DataError(path, f"can't be read ({error.strerror or error})", REMEDY) from error
    digest = hashlib.sha256()
    for array in (images, labels, test_images, test_labels):
        digest.update(array.data)  # no copy
    cut = min(VALIDATION_EXAMPLES, len(labels) // _TRAINING_SHARE)
    if not cut or not len(test_labels):
        problem = f"has {len(labels)} training and {len(test_labels)} test examples"
        raise DataError(path, f"{problem}; at least {_TRAINING_SHARE} and 1 are needed", REMEDY)
    return Mnist(
        Split(images[cut:], labels[cut:]),
        Split(images[:cut], labels[:cut]),
        Split(test_images, test_labels),
        digest.hexdigest(),
        tuple(_notes(chosen, path, len(labels), cut, len(test_labels))),
    )


def _notes(chosen: FileSet, path: Path, train: int, cut: int, test: int) -> Iterator[str]:
    if chosen.folder not in (path, path.parent):
        yield f"data: {chosen.folder}"
    if chosen.npz is None and is_transposed(chosen.name):  # an npz has its own arrays
        yield TURNED
    if (train, test) != (FILES[1].examples, FILES[3].examples):
        yield (
            f"data: {train - cut} training, {cut} validation and {test} test examples (MNIST: "
            "55000, 5000, 10000); test accuracy is of these test images"
        )


def _read(chosen: FileSet) -> List[np.ndarray]:
    """Return the arrays of ROLES, checked; labels are read first, since they are small."""
    roles = sorted(ROLES, key=lambda role: role.kind == "images")
    found = dict(zip(roles, _arrays(chosen, roles)))
    for part in ("train", "test"):
        of_images, of_labels = (layout.Role(part, kind) for kind in ("images", "labels"))
        sizes = len(found[of_images]), len(found[of_labels])
        if sizes[0] != sizes[1]:
            problem = f"holds {sizes[1]} {part} labels for {sizes[0]} images"
            raise DataError(chosen.path(of_labels), problem, REMEDY)
    return [found[role] for role in ROLES]


def _arrays(chosen: FileSet, roles: Sequence[layout.Role]) -> Iterator[np.ndarray]:
    if chosen.npz is None:
        for role in roles:
            read = read_images if role.kind == "images" else read_labels
            yield read(chosen.files[role])
        return
    with formats.open_npz(chosen.npz) as npz:
        names = _names(npz)
        for role in roles:
            name = names[ROLES.index(role)]
            check = as_images if role.kind == "images" else as_labels
            yield check(npz.read(name), chosen.npz, f"{name} ")


def read_test(path: Path) -> Optional[Split]:
    """Return the test examples of an npz that holds a whole set, None of any other file.

    Raises:
        DataError: it is damaged, or holds several arrays that are no set.
    """
    if path.suffix != ".npz":
        return None
    with formats.open_npz(path) as npz:
        if len(npz.names) == 1:
            return None
        images, labels = _names(npz)[2:]
        test = Split(
            as_images(npz.read(images), path, f"{images} "),
            as_labels(npz.read(labels), path, f"{labels} "),
        )
    if len(test.images) != len(test.labels):
        problem = f"holds {len(test.labels)} test labels for {len(test.images)} images"
        raise DataError(path, problem, REMEDY)
    return test


def _names(npz: formats.Npz) -> Sequence[str]:
    """Return the names that an npz has for ROLES."""
    for names in _NPZ_NAMES:
        if {*names} <= {*npz.names}:
            return names
    if not npz.names:
        raise DataError(npz.path, "is a zip archive without arrays, no npz", REMEDY)
    absent = next(name for name in _NPZ_NAMES[0] if name not in npz.names)
    held = ", ".join(npz.names[:6])
    raise DataError(npz.path, f"has no array {absent}; it has {held}", REMEDY)


def is_transposed(name: str) -> bool:
    """Return whether a set of this name, or its file, stores each image column by column."""
    return "emnist" in name.lower()


def read_images(path: Path) -> np.ndarray:
    """Return uint8 [n, 28, 28, 1] of a file of images, upright.

    Raises:
        DataError: it is none.
    """
    images = as_images(_read_file(path, (3, 4, 2)), path)
    return np.ascontiguousarray(images.swapaxes(1, 2)) if is_transposed(path.name) else images


def read_labels(path: Path) -> np.ndarray:
    """Return uint8 [n] of 0..9 of a file of labels.

    Raises:
        DataError: it is none, or has other classes.
    """
    labels = _read_file(path, (1, 2))
    if "idx2-int" in path.name and labels.shape[1:] == (_QMNIST_COLUMNS,):
        labels = labels[:, 0]
    return as_labels(labels, path)


def _read_file(path: Path, dimensions: Tuple[int, ...]) -> np.ndarray:
    if path.suffix != ".npz":
        return formats.read_idx(path, dimensions)
    with formats.open_npz(path) as npz:
        if len(npz.names) != 1:
            held = ", ".join(npz.names[:6]) or "none"
            raise DataError(path, f"holds {held}, not one array", REMEDY)
        return npz.read(npz.names[0])


def as_images(array: np.ndarray, path: Path, name: str = "") -> np.ndarray:
    """Return uint8 [n, 28, 28, 1] of [n, 28, 28], with one channel before or behind, or [n, 784].

    Raises:
        DataError: of `path`, whose array is named: it is none of these, or not of 0..255.
    """
    shape, pixels = array.shape, (_SIDE, _SIDE)
    if shape[1:] not in (pixels, (*pixels, 1), (1, *pixels), (_SIDE * _SIDE,)):
        size = "x".join(map(str, shape[1:]))
        allowed = "[n, 28, 28], [n, 28, 28, 1] or [n, 784]"
        problem = f"{name}holds images of {size} pixels, not 28x28: {list(shape)}, not {allowed}"
        raise DataError(path, problem, REMEDY)
    problem = _no_bytes(array)
    if not problem and array.size and 0 < array.max() <= 1:  # as 0/1 of whole numbers, too
        problem = "has pixels of 0 to 1: multiply them by 255"
    if problem:
        raise DataError(path, f"{name}{problem}", REMEDY)
    return np.ascontiguousarray(array, np.uint8).reshape(-1, _SIDE, _SIDE, 1)


def as_labels(array: np.ndarray, path: Path, name: str = "") -> np.ndarray:
    """Return uint8 [n] of 0..9 of [n], [n, 1] or one-hot [n, classes].

    Raises:
        DataError: of `path`, whose array is named: it is none of these, or has other classes.
    """
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 2:
        ones, zeros = (np.sum(array == number, axis=1) for number in (1, 0))
        if not array.size or not np.all((ones == 1) & (zeros == array.shape[1] - 1)):
            problem = f"{name}has labels {list(array.shape)} that are not one-hot"
            raise DataError(path, problem, REMEDY)
        array = np.argmax(array, axis=1)
    problem = _no_bytes(array) if array.ndim == 1 else f"has labels {list(array.shape)}, not [n]"
    if problem:
        raise DataError(path, f"{name}{problem}", REMEDY)
    if array.size and array.max() >= CLASSES:
        raise _too_many_classes(array, path, name)
    return np.ascontiguousarray(array, np.uint8)


def _no_bytes(array: np.ndarray) -> str:
    """Return what is wrong with numbers that should be whole, from 0 to 255; "" if nothing is."""
    if array.dtype == np.uint8 or not array.size:
        return ""
    # NaN fails every comparison.
    if not (array.min() >= 0 and array.max() <= 255):
        return f"has values outside 0..255 ({array.dtype})"
    if array.dtype.kind == "f" and not np.array_equal(array, np.floor(array)):
        return f"has values that are not whole numbers ({array.dtype})"
    return ""


def _too_many_classes(labels: np.ndarray, path: Path, name: str) -> DataError:
    classes, where = len(np.unique(labels)), int(np.argmax(labels >= CLASSES))
    number = f"label {where} is {int(labels[where])}, not 0 to 9"
    if classes > CLASSES:
        problem = f"has {classes} classes, and LeNet here tells ten apart ({number})"
    else:
        problem = f"has other labels than 0 to 9: {int(labels.min())} to {int(labels.max())}"
        problem += f" ({number})"
    return DataError(path, f"{name}{problem}", REMEDY)
