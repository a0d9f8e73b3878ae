"""Files -> arrays: the official four, a person's own folder, or keras' mnist.npz."""

from __future__ import annotations

import gzip
import hashlib
import struct
import zipfile
import zlib
from pathlib import Path
from typing import List, NamedTuple, Tuple

import numpy as np

from lenet_exp.data.files import FILES, OfficialFile
from lenet_exp.errors import DataError

VALIDATION_EXAMPLES = 5000
_NPZ_KEYS = ("x_train", "y_train", "x_test", "y_test")  # keras' names of FILES
_REMEDY = "python -m lenet_exp.run data.path=null (the verified copy)"


class Split(NamedTuple):
    """Examples: `images` uint8 [n, 28, 28, 1] of 0..255, `labels` uint8 [n] of 0..9."""

    images: np.ndarray
    labels: np.ndarray


class Mnist(NamedTuple):
    """55 000 training, 5 000 validation and 10 000 test examples, and their SHA-256."""

    train: Split
    validation: Split
    test: Split
    sha256: str


def load(folder: Path) -> Mnist:
    """Read and check the four files, or mnist.npz, in `folder`.

    As in TensorFlow's own tutorial reader, which the ModelZoo uses, the first 5 000 training
    examples are the validation set.

    Raises:
        DataError: naming the file that is missing, unreadable or not what it should be.
    """
    npz = folder if folder.suffix == ".npz" else folder / "mnist.npz"
    try:
        has_idx = folder.is_dir() and any(find(folder, f) for f in FILES)
        read = _read_npz(npz) if npz.exists() and not has_idx else _read_folder(folder)
    except OSError as error:  # a folder that may be listed but not entered
        raise DataError(folder, f"can't be read ({error.strerror or error})", _REMEDY) from error
    digest = hashlib.sha256()
    for official, (path, array) in zip(FILES, read):
        _check(path, official, array)
        digest.update(array.data)  # no copy
    images, labels, test_images, test_labels = (array for _, array in read)
    images, test_images = (a.reshape(-1, 28, 28, 1) for a in (images, test_images))
    cut = VALIDATION_EXAMPLES
    return Mnist(
        Split(images[cut:], labels[cut:]),
        Split(images[:cut], labels[:cut]),
        Split(test_images, test_labels),
        digest.hexdigest(),
    )


def _read_folder(folder: Path) -> List[Tuple[Path, np.ndarray]]:
    """Return what is in each of FILES, and where it was found."""
    found = [find(folder, official) for official in FILES]
    if not any(found):
        problem = "holds none of the four MNIST files, raw or .gz, nor mnist.npz"
        raise DataError(folder, problem, _REMEDY)
    for path, official in zip(found, FILES):
        if path is None:
            remedy = f"add it (.gz will do), or {_REMEDY}"
            raise DataError(folder / official.name, "is missing", remedy)
    return [(path, read_idx(path, official)) for path, official in zip(found, FILES) if path]


def find(folder: Path, official: OfficialFile) -> Path | None:
    """Return the file in `folder`, under any of its names, raw or .gz; None if it is not there."""
    dotted = official.name.replace("-idx", ".idx")
    for name in (official.name, dotted, official.name + ".gz", dotted + ".gz"):
        if (folder / name).exists():
            return folder / name
    return None


def read_idx(path: Path, official: OfficialFile) -> np.ndarray:
    """Return uint8 [n, 784] of an image file or [n] of a label file (big-endian header)."""
    raw = _read_bytes(path)
    dimensions = 3 if official.pixels else 1
    header = 4 * (1 + dimensions)
    expected = (2051, 28, 28) if official.pixels else (2049,)
    if len(raw) < header:
        raise DataError(path, f"is too short for an idx file ({len(raw)} bytes)", _REMEDY)
    magic, count, *shape = struct.unpack(f">{1 + dimensions}I", raw[:header])
    if (magic, *shape) != expected:
        kind = "28x28 image" if official.pixels else "label"
        problem = f"is no {kind} file (it begins with {magic}, {kind}s with {expected[0]})"
        if magic == expected[0]:
            problem = f"holds images of {shape[0]}x{shape[1]} pixels, not 28x28"
        raise DataError(path, problem, _REMEDY)
    items = max(official.pixels, 1)
    if len(raw) - header != count * items:
        problem = f"says {count} examples but holds {(len(raw) - header) / items:g}"
        raise DataError(path, problem, _REMEDY)
    array = np.frombuffer(raw, np.uint8, offset=header)
    return array.reshape(count, items) if official.pixels else array


def _read_bytes(path: Path) -> bytes:
    try:
        if path.suffix == ".gz":
            with gzip.open(str(path), "rb") as stream:
                return stream.read()
        return path.read_bytes()
    except (EOFError, zlib.error) as error:
        raise DataError(path, "is a damaged or cut gzip file", _REMEDY) from error
    except OSError as error:  # gzip's own complaint has no strerror
        raise DataError(path, f"can't be read ({error.strerror or error})", _REMEDY) from error


# What numpy and zipfile raise: damaged, encrypted or packed in a way that this Python can't read
# (RuntimeError), or with a header that asks for all of memory and more.
_NO_NPZ = (
    OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError, MemoryError
)  # fmt: skip


def _read_npz(path: Path) -> List[Tuple[Path, np.ndarray]]:
    try:
        archive = np.load(str(path), allow_pickle=False)  # a pickle is a program
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise DataError(path, "holds one array, not the four of keras' mnist.npz", _REMEDY)
        with archive:
            absent = [key for key in _NPZ_KEYS if key not in archive.files]
            if absent:
                raise DataError(path, f"has no array {absent[0]}", _REMEDY)
            arrays = [archive[key] for key in _NPZ_KEYS]
    except _NO_NPZ as error:
        raise DataError(path, f"can't be read ({error})", _REMEDY) from error
    return [(path, _as_bytes(path, *each)) for each in zip(_NPZ_KEYS, arrays, FILES)]


def _as_bytes(path: Path, key: str, array: np.ndarray, official: OfficialFile) -> np.ndarray:
    wanted = (28, 28) if official.pixels else ()
    if array.shape[1:] != wanted or array.dtype.kind not in "iu":
        found = f"{key} is {array.dtype} {list(array.shape)}"
        raise DataError(path, f"{found}, not whole numbers [n, 28, 28] or [n]", _REMEDY)
    if array.size and (array.min() < 0 or array.max() > 255):
        raise DataError(path, f"{key} has values outside 0..255", _REMEDY)
    array = np.ascontiguousarray(array, np.uint8)
    return array.reshape(len(array), -1) if official.pixels else array


def _check(path: Path, official: OfficialFile, array: np.ndarray) -> None:
    if len(array) != official.examples:
        kind = "images" if official.pixels else "labels"
        problem = f"holds {len(array)} {kind}, not {official.examples}"
        raise DataError(path, problem, _REMEDY)
    if not official.pixels and array.max() > 9:
        where = int(np.argmax(array > 9))
        raise DataError(path, f"label {where} is {array[where]}, not 0 to 9", _REMEDY)
