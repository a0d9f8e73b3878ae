"""The four official files: names, sizes, hashes, and where the verified copy lives."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from typing import NamedTuple, Tuple

from lenet_exp.errors import FetchError


class OfficialFile(NamedTuple):
    """One raw (not gzipped) file of MNIST; `sha256` of the raw form."""

    name: str
    sha256: str

    @property
    def examples(self) -> int:
        """How many images, or labels."""
        return 60000 if self.name.startswith("train") else 10000

    @property
    def pixels(self) -> int:
        """Of an image; a label file has none."""
        return 784 if "images" in self.name else 0

    @property
    def bytes(self) -> int:
        """Of the raw form: a header, then a byte each."""
        return 16 + self.examples * self.pixels if self.pixels else 8 + self.examples


_SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
FILES = tuple(OfficialFile(*each) for each in _SHA256.items())


def cache_folder() -> Path:
    """Return the folder of the verified copy: $LENET_EXP_DATA, else the user's cache.

    Raises:
        FetchError: there is no such home folder.
    """
    own = os.environ.get("LENET_EXP_DATA")
    try:
        if own:
            return Path(own).expanduser()
        if sys.platform == "darwin":
            cache = Path.home() / "Library" / "Caches"
        else:
            cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return cache / "lenet-exp" / "mnist"
    except RuntimeError as error:
        raise FetchError(own or "~", str(error), "LENET_EXP_DATA=DIR") from error


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def stamps(folder: Path) -> Tuple[Tuple[int, ...], ...]:
    """Return what changes with the files in `folder`; () where one can't be seen."""
    try:
        seen = [(folder / one.name).stat() for one in FILES]
    except OSError:
        return ()
    return tuple((one.st_ino, one.st_size, one.st_mtime_ns, one.st_ctime_ns) for one in seen)


def missing(folder: Path) -> Tuple[OfficialFile, ...]:
    """Return the files that are absent from `folder` or not the official bytes."""
    return tuple(f for f in FILES if not _is_official(folder / f.name, f))


def _is_official(path: Path, official: OfficialFile) -> bool:
    try:
        return path.stat().st_size == official.bytes and sha256_of(path) == official.sha256
    except OSError:
        return False
