"""Which launching process has a sweep: the one of its lease, which every lease of a job asks.

The lock of the sweep's journal ends with its process on one host, or where a file system has locks
for all of them. Elsewhere, and behind a partition of the network, two would have it: so each shows
that it lives, another host's is waited for, and who wakes up after it was given up gives no lease.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Optional

from lenet_exp.record.store import lease, processes
from lenet_exp.record.waiting import waiting

_BEAT = 5.0  # seconds between two signs of life
_SILENCE = 4 * _BEAT  # without one: it is dead, or cut off


def is_alive(folder: Path) -> bool:
    """Return whether another host's process shows that it has the sweep; that takes a while."""
    given = lease.read(folder)
    first = _last_sign(folder, given)
    own = given.get("host") == socket.gethostname()  # it would have the lock
    if first is None or own or processes.is_dead(json.dumps(given)):
        return False
    until = time.monotonic() + _SILENCE
    with waiting(f"is process {given.get('pid')} on {given.get('host')} at work on this sweep"):
        while time.monotonic() < until:
            time.sleep(_BEAT / 5)
            if _last_sign(folder, given) != first:
                return _last_sign(folder, given) is not None
    return False


@contextlib.contextmanager
def held(folder: Path) -> Iterator[Callable[[], None]]:
    """Give a sweep to this process; yield what raises LeaseLostError where another has it."""
    left = lease.read(folder)
    ours = lease.give(folder, **processes.read(processes.this_process()))
    with contextlib.suppress(OSError):
        _sign(folder, left).unlink()
    sign, ended = folder / f".{ours.token}.alive", threading.Event()
    _show(sign, 0)
    thread = threading.Thread(target=_show_until, args=(ended, sign), name="holder", daemon=True)
    thread.start()
    try:
        yield ours.check
    finally:
        ended.set()
        thread.join()
        with contextlib.suppress(OSError):
            sign.unlink()


def _show_until(ended: threading.Event, sign: Path) -> None:
    number = 0
    while not ended.wait(_BEAT):
        number += 1
        _show(sign, number)


def _show(sign: Path, number: int) -> None:
    with contextlib.suppress(OSError):  # who can't show it is taken for dead
        sign.write_text(str(number))


def _sign(folder: Path, given: Dict[str, Any]) -> Path:
    return folder / f".{given.get('token')}.alive"


def _last_sign(folder: Path, given: Dict[str, Any]) -> Optional[str]:
    """Return the last sign of life of a lease's process; None: it has given the sweep back."""
    try:
        return _sign(folder, given).read_text()
    except OSError:
        return None
