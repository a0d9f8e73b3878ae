"""One process a device: file locks, which the system releases however a process ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from pathlib import Path
from typing import IO, Iterator, List, Sequence

from lenet_exp.errors import HardwareError

_REMEDY = "python -m lenet_exp.run hardware.devices=[...] with a free one, or wait"


@contextlib.contextmanager
def locked(candidates: Sequence[int]) -> Iterator[int]:
    """Yield the first of `candidates` that no other process holds, and hold it meanwhile.

    The lock is the system's (flock): a process that is killed lets go of it.

    Raises:
        HardwareError: all of them are held; it says by whom.
    """
    folder = Path(tempfile.gettempdir(), "lenet_exp_devices")  # one for every user
    holders: List[str] = []
    for device in candidates:
        stream = _open(folder / f"{device}.lock")
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with stream:
                holders.append(f"{device} by process {stream.read().strip() or '?'}")
            continue
        with stream:
            stream.seek(0)
            stream.truncate()
            stream.write(str(os.getpid()))
            stream.flush()
            yield device
        return
    problem = "no device is free: " + ", ".join(holders)
    raise HardwareError("the chip", problem, _REMEDY)


def _descriptor(path: Path) -> int:
    # With fs.protected_regular no one, root included, may open another user's file with O_CREAT.
    for flags in (0, os.O_CREAT | os.O_EXCL):
        with contextlib.suppress(FileNotFoundError, FileExistsError):
            return os.open(str(path), os.O_RDWR | flags, 0o666)
    return os.open(str(path), os.O_RDWR)  # another process was faster


def _open(path: Path) -> IO[str]:
    """Open a lock that processes of any user may hold; it is never removed, so it stays one."""
    try:
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.parent.chmod(0o1777)
        number = _descriptor(path)
        with contextlib.suppress(PermissionError):  # another user made it so already
            os.fchmod(number, 0o666)
        return os.fdopen(number, "r+")
    except OSError as error:
        remedy = f"permission to write in {path.parent}"
        raise HardwareError(str(path), error.strerror or str(error), remedy) from error
