"""The four official files: names, sizes, hashes, and where the verified copy lives."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from typing import NamedTuple, Tuple

from lenet_exp.errors import FetchError


class OfficialFile(NamedTuple):
    """One raw (not gzipped) file of MNIST; `bytes` and `sha256` of the raw form."""

    name: str
    examples: int
    pixels: int  # a label file has none
    bytes: int
    sha256: str


FILES: Tuple[OfficialFile, ...] = (
    OfficialFile(
        "train-images-idx3-ubyte",
        60000,
        784,
        47040016,
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    OfficialFile(
        "train-labels-idx1-ubyte",
        60000,
        0,
        60008,
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    OfficialFile(
        "t10k-images-idx3-ubyte",
        10000,
        784,
        7840016,
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    OfficialFile(
        "t10k-labels-idx1-ubyte",
        10000,
        0,
        10008,
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
)


def cache_folder() -> Path:
    """Return the folder of the verified copy: $LENET_EXP_DATA, else the user's cache.

    Raises:
        FetchError: there is no such home folder.
    """
    own = os.environ.get("LENET_EXP_DATA")
    try:
        return Path(own).expanduser() if own else _user_cache() / "lenet-exp" / "mnist"
    except RuntimeError as error:
        raise FetchError(own or "~", str(error), "LENET_EXP_DATA=DIR") from error


def _user_cache() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def missing(folder: Path) -> Tuple[OfficialFile, ...]:
    """Return the files that are absent from `folder` or not the official bytes."""
    return tuple(f for f in FILES if not _is_official(folder / f.name, f))


def _is_official(path: Path, official: OfficialFile) -> bool:
    try:
        return path.stat().st_size == official.bytes and sha256_of(path) == official.sha256
    except OSError:
        return False
