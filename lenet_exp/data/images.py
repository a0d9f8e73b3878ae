"""Pictures of digits -> arrays as MNIST has them: PNGs, a file of images, or a folder of either."""

from __future__ import annotations

import math
import struct
import warnings
import zlib
from pathlib import Path
from typing import List, NamedTuple, Optional, Tuple

import numpy as np
from PIL import Image

from lenet_exp.data import layout, mnist
from lenet_exp.errors import DataError

_SIDE, _DIGIT = 28, 20  # pixels: of an image, and of the box MNIST's digits fit into
_REMEDY = "images=DIR of PNGs, images=FILE.png, an idx file, an npz, or images=mnist"
_INK = 32  # of 255: fainter is paper, or a scanner's noise
_LEAST_INK = 255  # of a digit's pixels together: less than one white pixel are specks of dust
# What Pillow raises for a damaged, cut, enormous or wrongly named file.
_NO_IMAGE = (
    OSError, ValueError, SyntaxError, EOFError, MemoryError, TypeError, LookupError,
    ArithmeticError, struct.error, zlib.error, Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)  # fmt: skip


class Images(NamedTuple):
    """Images: `names`, `pixels` uint8 [n, 28, 28, 1], white on black, `labels` uint8 [n].

    `labels` is None where any of them is not known; `notes` say what was done to them.
    """

    names: List[str]
    pixels: np.ndarray
    labels: Optional[np.ndarray]
    notes: Tuple[str, ...] = ()


def read(path: Path) -> Images:
    """Return the images of a PNG, an idx file, the test set of an npz, or a folder of such.

    Of PNGs, a folder named 0 to 9 is the label of what is in it; of idx files, the labels are
    the file beside that is named so.

    Raises:
        DataError: naming the file that is missing, unreadable or not what it should be.
    """
    try:
        if path.is_dir():
            test = layout.find_test_images(path)
            return _read_labelled(test) if test is not None else _read_folder(path)
        if not path.exists():
            raise DataError(path, "is not there", _REMEDY)
        if not path.is_file():
            raise DataError(path, "is no regular file: it may have no end", _REMEDY)
        return _read_pngs([path], path.parent) if _is_png(path) else _read_labelled(path)
    except OSError as error:  # a folder that may be listed but not entered
        raise DataError(path, f"can't be read ({error.strerror or error})", _REMEDY) from error


def of_split(split: mnist.Split) -> Images:
    """Return labelled images that are read already, named by their numbers."""
    return Images([str(number) for number in range(len(split.labels))], *split)


def _is_png(path: Path) -> bool:
    return path.suffix.lower() == ".png"


def _read_labelled(path: Path) -> Images:
    try:
        test = mnist.read_test(path)
        beside = layout.labels_beside(path) if test is None else None
        labels = mnist.read_labels(beside) if beside is not None else None
        pixels, labels = test or (mnist.read_images(path), labels)
    except DataError as error:
        what, problem, _ = error.args  # its remedy is a run's
        raise DataError(what, problem, _REMEDY) from error
    if not len(pixels):
        raise DataError(path, "holds no image", _REMEDY)
    if labels is not None and len(labels) != len(pixels):
        problem = f"holds {len(labels)} labels for {len(pixels)} images"
        raise DataError(beside, problem, f"take it away, or {_REMEDY}")
    notes = (mnist.TURNED,) if test is None and mnist.is_transposed(path.name) else ()
    return Images([str(number) for number in range(len(pixels))], pixels, labels, notes)


def _read_folder(folder: Path) -> Images:
    named = (path for path in folder.rglob("*") if _is_png(path) and path.is_file())
    paths = sorted(p for p in named if not any(map(layout.is_hidden, p.relative_to(folder).parts)))
    if not paths:
        raise DataError(folder, "holds no PNG and no MNIST test set", _REMEDY)
    return _read_pngs(paths, folder)


def _read_pngs(paths: List[Path], folder: Path) -> Images:
    known = [path.parent.name for path in paths if path.parent.name in tuple("0123456789")]
    labels = np.array(known, np.uint8) if len(known) == len(paths) else None
    pixels = np.stack([as_mnist(_read_png(path), path) for path in paths])
    return Images([str(path.relative_to(folder)) for path in paths], pixels[..., None], labels)


def _read_png(path: Path) -> np.ndarray:
    """Return the brightness of a PNG, uint8 [height, width]."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(str(path)) as image:
                image.load()  # numpy's view of a cut one says nothing of why
                if image.mode.startswith("I"):  # 16 bits
                    return (np.asarray(image, np.int64) >> 8).clip(0, 255).astype(np.uint8)
                if "A" in image.getbands() or "transparency" in image.info:
                    return _without_transparency(image.convert("RGBA"))
                return np.asarray(image.convert("L"))
    except _NO_IMAGE as error:
        raise DataError(path, f"is no image that can be read ({error})", _REMEDY) from error


def _without_transparency(image: Image.Image) -> np.ndarray:
    """Lay a picture on white paper; on black where only that shows what is drawn."""
    for paper in ("white", "black"):
        behind = Image.new("RGBA", image.size, paper)
        pixels = np.asarray(Image.alpha_composite(behind, image).convert("L"))
        if pixels.min() != pixels.max():
            break
    return pixels


def as_mnist(pixels: np.ndarray, path: Path) -> np.ndarray:
    """Return a picture as one of MNIST's: uint8 [28, 28], white on black, where MNIST puts it.

    One of 28x28 is at most inverted. Any other is cut to its digit, fitted into 20x20, and put
    with its centre of mass in the middle, which is how MNIST's images were made.

    Raises:
        DataError: nothing is drawn on it; `path` says on which.
    """
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    paper = int(np.median(edge))
    if paper > 127:  # dark on light
        pixels, paper = 255 - pixels, 255 - paper
    if pixels.shape == (_SIDE, _SIDE) and pixels.max() > _INK:
        return pixels
    ink = np.clip(pixels.astype(np.int64) - paper, 0, None)
    if ink.max() <= _INK:
        raise DataError(path, "shows no digit: it is of one colour", _REMEDY)
    digit = _fitted((ink * 255 // ink.max()).astype(np.uint8))
    if digit.sum(dtype=np.int64) < _LEAST_INK:
        raise DataError(path, "shows no digit: it is blank but for specks", _REMEDY)
    return _centred(digit)


def _fitted(ink: np.ndarray) -> np.ndarray:
    """Cut to what is drawn, and scale its longer side to 20 pixels."""
    rows, columns = (np.flatnonzero((ink > _INK).any(axis=axis)) for axis in (1, 0))
    cut = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = _DIGIT / max(cut.shape)
    height, width = (max(1, round(side * scale)) for side in cut.shape)
    return np.asarray(Image.fromarray(cut).resize((width, height), Image.Resampling.BICUBIC))


def _centred(digit: np.ndarray) -> np.ndarray:
    """Put a digit into a field of 28x28, its centre of mass where MNIST's have it."""
    field = np.zeros((_SIDE, _SIDE), np.uint8)
    place: List[Tuple[int, int]] = []
    for axis, side in enumerate(digit.shape):
        mass = digit.sum(axis=1 - axis, dtype=np.int64)
        middle = float(mass @ (np.arange(side) + 0.5) / mass.sum())
        # Of all 10 000 test images it is between 14 and 15.
        start = min(max(math.ceil(_SIDE / 2 - middle), 0), _SIDE - side)
        place.append((start, start + side))
    (top, bottom), (left, right) = place
    field[top:bottom, left:right] = digit
    return field
