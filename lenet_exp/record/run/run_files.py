"""Files of the run folder; each is written whole or not at all."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator, NamedTuple

from lenet_exp.record.store import lease, processes

_UNFINISHED = re.compile(
    r"\.(\d+|[\w.]+\.(png|txt|npz|yaml|json|diff|csv|html))(\.[\w-]+)?\.\d+\.part"
)


def _nobody_else() -> None:
    """Find nothing: no other process may have the place."""


class RunFolder(NamedTuple):
    """A run's folder; `check` raises where this process may write there no more."""

    path: Path
    check: Callable[[], None] = _nobody_else

    def write(self, name: str, content: bytes) -> None:
        """Write a file of it, whole or not at all; raises as `check`, and OSError."""
        write_bytes(self.path / name, content, self.check)

    def remove_unfinished(self) -> None:
        """Remove what a killed process left half written, and nothing of others."""
        self.check()
        for path in lease.unfinished(self.path):
            is_lease = path.name.startswith(f".{lease.NAME}.")  # being written by who gives it
            if _UNFINISHED.fullmatch(path.name) and not is_lease:
                _remove(path)


def write_bytes(path: Path, content: bytes, check: Callable[[], None] = _nobody_else) -> None:
    """Write a file under a temporary name, sync it, rename it unless `check` raises."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with processes.written_whole(path) as temporary:
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        check()
    _sync(path.parent)


@contextmanager
def new_folder(path: Path, check: Callable[[], None] = _nobody_else) -> Iterator[Path]:
    """Yield a folder that becomes `path`, whole, when the block ends well; an old one goes then.

    `check` raises where it may not become that.
    """
    with _removed_on_failure(path) as temporary:
        temporary.mkdir(parents=True)
        yield temporary
        for file in (*temporary.iterdir(), temporary):
            _sync(file)
        _swap(temporary, path, check)


def _swap(temporary: Path, path: Path, check: Callable[[], None]) -> None:
    """Rename a folder to `path` unless `check` raises; the one that was there goes."""
    own = (f".{path.name}.{secrets.token_hex(8)}.{os.getpid()}.part" for _ in range(2))
    ours, old = map(path.with_name, own)
    temporary.rename(ours)  # what another attempt has taken away has that name no more
    try:
        check()
        if path.exists():
            path.rename(old)
        ours.rename(path)
    except BaseException:
        _remove(ours)
        if old.exists():
            old.rename(path)
        raise
    _remove(old)
    _sync(path.parent)


@contextmanager
def _removed_on_failure(path: Path) -> Iterator[Path]:
    """Yield a temporary name of what is to become `path`; it goes where the block fails."""
    for left in processes.left_unfinished(path):
        _remove(left)
    temporary = processes.unfinished(path)
    try:
        yield temporary
    except BaseException:
        _remove(temporary)
        raise


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(str(path), ignore_errors=True)
    elif path.exists():
        path.unlink()


def _sync(path: Path) -> None:
    descriptor = os.open(str(path), os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
