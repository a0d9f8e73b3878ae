"""Which process makes a run or a file, and whether it lives: what a dead one left is ended."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import socket
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

TAG = "process"


# Where an engine tells a job which one it is.
_ENGINES = {"slurm": "SLURM_JOB_ID", "ray": "LENET_EXP_RAY_ACTOR"}


def this_process(attempt: int = 0) -> str:
    """Return what tells this process from every other, as the value of a tag.

    `attempt` at the job of a sweep; 0: it is none's.
    """
    own = {**_here(), "pid": os.getpid(), "started": start_of(os.getpid())}
    engines = {name: os.environ[key] for name, key in _ENGINES.items() if key in os.environ}
    return json.dumps({**own, **engines, **({"attempt": attempt} if attempt else {})})


def read(tag: Optional[str]) -> Dict[str, Any]:
    """Return what a tag says of a process; nothing of what is no such tag."""
    try:
        found = json.loads(tag or "")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def is_dead(tag: Optional[str]) -> bool:
    """Return whether the process of a tag surely ended; False where that can't be known."""
    process = read(tag)
    try:
        here, pid, started = _here(), int(process["pid"]), process["started"]
    except (ValueError, KeyError, TypeError):
        return False
    if process.get("host") != here["host"] or here["boot"] is None:
        return False
    if process.get("boot") != here["boot"]:
        # A name like localhost is many hosts'; only the same machine boots anew.
        return here["machine"] is not None and process.get("machine") == here["machine"]
    # Another container's processes are not seen from here.
    return bool(process.get("pids") == here["pids"] and _has_ended(pid, started))


def _has_ended(pid: int, started: object) -> bool:
    state, ticks = _seen(pid)
    if ticks is None:  # with hidepid, too, another person's process is not seen
        return _is_gone(pid)
    return state in "ZX" or ticks != started  # a zombie has ended


def unfinished(path: Path) -> Path:
    """Return what this process calls a file or folder that becomes `path` when it is whole."""
    return path.with_name(f".{path.name}.{_host()}.{os.getpid()}.part")


def left_unfinished(path: Path) -> List[Path]:
    """Return what dead processes of this host left of a file that was to become `path`.

    Of a database there is a journal, too. A name without a host is an earlier version's.
    """
    form = rf"\.{re.escape(path.name)}(\.{re.escape(_host())})?\.(\d+)\.part(-journal|-wal|-shm)?"
    named = ((place, re.fullmatch(form, place.name)) for place in path.parent.glob(".*.part*"))
    return sorted(place for place, match in named if match and _is_gone(int(match.group(2))))


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield the name of a file that the block writes, which becomes `path`; if that fails, it goes.

    What dead processes of this host left of one goes, too.
    """
    for left in left_unfinished(path):
        with contextlib.suppress(OSError):
            left.unlink()
    new = unfinished(path)
    try:
        yield new
        new.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            new.unlink()
        raise


def _host() -> str:
    return re.sub(r"[^\w-]", "_", socket.gethostname())[:40]


def _is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):  # another person's; no number of a process
        return pid >= 2**31
    return pid == 0


def _here() -> Dict[str, Optional[str]]:
    """Return host, machine, its boot, and the name space in which a pid means something."""
    try:
        boot: Optional[str] = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        pids: Optional[str] = os.readlink("/proc/self/ns/pid")
    except OSError:
        boot = pids = None
    return {"host": socket.gethostname(), "machine": _machine(), "boot": boot, "pids": pids}


def _machine() -> Optional[str]:
    """Return what tells this machine from others; hashed, for its id is confidential."""
    try:
        known = Path("/etc/machine-id").read_bytes().strip()
    except OSError:
        return None
    return hashlib.sha256(b"lenet-exp " + known).hexdigest()[:16] if known else None


def start_of(pid: int) -> Optional[int]:
    """Return when a process started, in clock ticks since boot; None if there is none."""
    state, ticks = _seen(pid)
    return None if state in "ZX" else ticks


def _seen(pid: int) -> Tuple[str, Optional[int]]:
    """Return a process's state, and when it started; None: it can't be seen."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "", None
    state, *rest = text.rpartition(")")[2].split()  # a name may hold spaces and parentheses
    return state, int(rest[18])
