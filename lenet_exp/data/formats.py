"""One file -> one array: idx, raw or gzipped, and members of an npz. Bounded, and no pickle.

What a file says of its size is checked before memory is taken for it.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import operator
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, Iterator, List, NamedTuple, Sequence, Tuple, cast

import numpy as np

from lenet_exp.data.layout import REMEDY
from lenet_exp.errors import DataError

MOST_EXAMPLES = 1_000_000
_MOST_BYTES = 1 << 30  # of one array
# By the third byte of an idx file, whose numbers are big-endian.
_IDX_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
_MOST_DIMENSIONS = 4
# What a file begins with that is something else.
_MAGICS = {
    b"\x1f\x8b": "a gzip file inside a gzip file",
    b"PK\3\4": "a zip archive, which has to be unpacked",
    b"\x93NUMPY": "a .npy, one array",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"\x89HDF": "an HDF5 file",
    b"MATLAB": "a MATLAB file",
    b"PAR1": "a Parquet table",
    b"ARROW1": "an Arrow table",
    b"\xfd7zXZ": "a file packed by xz",
    b"BZh": "a file packed by bzip2",
    b"\x28\xb5\x2f\xfd": "a file packed by zstd",
    b"\x80": "a pickle, which is a program and never loaded",
    b"version https://git-lfs": "a pointer of Git LFS, not the file (git lfs pull)",
    b"<": "a web page or XML, perhaps of a download that failed",
}
# What zipfile and numpy's headers raise: damaged, encrypted, packed in a way this Python can't
# read (RuntimeError), or a header that is no dictionary of what it should be.
_NO_NPZ = (
    ValueError, TypeError, LookupError, SyntaxError, AttributeError, EOFError, RuntimeError,
    MemoryError, ArithmeticError, struct.error, tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


class Npz(NamedTuple):
    """An npz that is open: its archive, and where it is."""

    archive: zipfile.ZipFile
    path: Path

    @property
    def names(self) -> List[str]:
        """The names of its arrays."""
        return [name[:-4] for name in self.archive.namelist() if name.endswith(".npy")]

    def read(self, name: str) -> np.ndarray:
        """Return an array of numbers.

        Raises:
            DataError: it is none, or larger than any that is of use here.
        """
        with _npz_errors(self.path, name):
            member = self.archive.getinfo(f"{name}.npy")
            if member.file_size > _MOST_BYTES:
                raise _too_large(self.path, f"{name} is", member.file_size)
            with self.archive.open(member) as stream:
                return _read_npy(stream, self.path, name)


def what_is(head: bytes) -> str:
    """Return what a file is that begins with these bytes; "" where nobody knows."""
    return next((what for magic, what in _MAGICS.items() if head.startswith(magic)), "")


def read_idx(path: Path, dimensions: Tuple[int, ...]) -> np.ndarray:
    """Return the array of an idx file, raw or gzipped whatever its name; numbers as they are there.

    Args:
        path: the file.
        dimensions: how many it may have, the usual one first.

    Raises:
        DataError: it can't be read, or is no such file.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            # Both are streams of bytes, whatever their types are called.
            stream = cast(IO[bytes], gzip.GzipFile(fileobj=raw) if packed else raw)
            return _read_idx(stream, path, dimensions)
    except (EOFError, zlib.error) as error:
        raise DataError(path, "is a damaged or cut gzip file", REMEDY) from error
    except OSError as error:  # gzip's own complaint has no strerror
        problem = f"can't be read ({error.strerror or 'a damaged gzip file'})"
        raise DataError(path, problem, REMEDY) from error


def _read_idx(stream: IO[bytes], path: Path, dimensions: Tuple[int, ...]) -> np.ndarray:
    head = stream.read(64)  # of which 4 are the type, and 4 each dimension's size
    if len(head) < 4 * (1 + dimensions[0]):
        raise DataError(path, f"is too short for an idx file ({len(head)} bytes)", REMEDY)
    kind, rank = head[2], head[3]
    if head[:2] != b"\0\0" or kind not in _IDX_TYPES or rank not in dimensions:
        ours = "an image" if dimensions[0] > 1 else "a label"
        found = what_is(head) or f"it begins with {int.from_bytes(head[:4], 'big')}"
        found = found if head[:2] != b"\0\0" else f"it has {rank} dimensions of type {kind}"
        wanted = 2048 + dimensions[0]
        raise DataError(path, f"is not {ours} file, which begins with {wanted}: {found}", REMEDY)
    shape = struct.unpack(f">{rank}I", head[4 : 4 + 4 * rank])
    dtype = np.dtype(_IDX_TYPES[kind])
    each = _product(shape[1:]) * dtype.itemsize
    size = shape[0] * each
    if shape[0] > MOST_EXAMPLES or size > _MOST_BYTES:
        raise _too_large(path, f"says {shape[0]} examples,", size)
    stream.seek(4 + 4 * rank)
    content = stream.read(size + 1)
    if len(content) != size:
        held = "more" if len(content) > size else f"{len(content) / each:g}" if each else "none"
        raise DataError(path, f"says {shape[0]} examples but holds {held}", REMEDY)
    return np.frombuffer(content, dtype).reshape(shape)


def _product(numbers: Sequence[int]) -> int:
    """Return a product that no fixed number of bits cuts off."""
    return functools.reduce(operator.mul, map(int, numbers), 1)


def _too_large(path: Path, what: str, size: int) -> DataError:
    most = f"at most {MOST_EXAMPLES} examples and {_MOST_BYTES} bytes are read"
    return DataError(path, f"{what} {size} bytes; {most}", REMEDY)


@contextlib.contextmanager
def open_npz(path: Path) -> Iterator[Npz]:
    """Open an npz.

    Raises:
        DataError: it is none.
    """
    with contextlib.ExitStack() as stack:
        with _npz_errors(path, ""):
            try:
                archive = stack.enter_context(zipfile.ZipFile(str(path)))
            except zipfile.BadZipFile as error:
                with path.open("rb") as stream:
                    found = what_is(stream.read(64)) or "a cut or damaged one, or something else"
                raise DataError(path, f"is no npz: {found}", REMEDY) from error
        yield Npz(archive, path)


@contextlib.contextmanager
def _npz_errors(path: Path, name: str) -> Iterator[None]:
    """Say in our words what is wrong: numpy's own advice is to load it unsafely."""
    what = f"its array {name}" if name else "the archive"
    try:
        yield
    except OSError as error:
        problem = f"can't be read ({error.strerror or f'{what} is damaged'})"
        raise DataError(path, problem, REMEDY) from error
    except KeyError as error:
        raise DataError(path, f"has no array {name}", REMEDY) from error
    except _NO_NPZ as error:
        problem = f"can't be read ({what} is damaged, encrypted or packed in an unknown way)"
        raise DataError(path, problem, REMEDY) from error


def _read_npy(stream: Any, path: Path, name: str) -> np.ndarray:
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError("a header of more than 64 kB is none of an array of numbers")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    if dtype.hasobject:
        problem = f"{name} holds Python objects (a pickle, which is a program and never loaded)"
        raise DataError(path, problem, REMEDY)
    if dtype.kind not in "buif":
        raise DataError(path, f"{name} holds {dtype}, not numbers", REMEDY)
    size = _product(shape) * dtype.itemsize
    if not 0 <= size <= _MOST_BYTES or min(shape, default=1) < 0:
        raise _too_large(path, f"{name} {list(shape)} is", size)
    content = stream.read(size)
    if len(content) != size:
        raise DataError(path, f"{name} is cut: {len(content)} of {size} bytes", REMEDY)
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")
