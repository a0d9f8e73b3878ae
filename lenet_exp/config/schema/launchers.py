"""Every key of hydra.launcher that is ours: its type, what it may be, and a value that works.

The same as in conf/hydra/launcher/; `good` is as it is typed.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Dict, Mapping, Optional, Tuple

from lenet_exp.config.passwords import without_password
from lenet_exp.config.schema.keys import key, switch, within

_MOST = 9999
_SIMPLE = (str, int, float, bool, type(None))


def _shows_no_password(text: str) -> bool:
    """Return whether a text can be on a command line that `ps` shows, and in a record."""
    return text != "" and text == without_password(text)


def _text(allowed: str, good: str) -> Any:
    return key(f"{allowed}; no password", good, _shows_no_password)


def _options(allowed: str, good: str) -> Any:
    return key(f"null or a mapping of {allowed}, without a password", good, _are_options)


def _are_options(named: Mapping[str, Any]) -> bool:
    names = all(re.fullmatch(r"[A-Za-z][\w-]*", name) for name in named)
    return names and all(
        type(value) in _SIMPLE and _shows_no_password(str(value)) for value in named.values()
    )


def _are_amounts(named: Mapping[str, Any]) -> bool:
    return all(type(value) in (int, float) and 0 < value < math.inf for value in named.values())


@dataclass(frozen=True)
class _Launcher:
    n_jobs: int = key("a whole number from 1 to 9999", "2", within(1, _MOST))
    retries: int = key("a whole number from 0 to 999", "3", within(0, 999))


@dataclass(frozen=True)
class Local(_Launcher):
    """This machine."""

    warm: bool = switch()


@dataclass(frozen=True)
class Slurm(_Launcher):
    """An srun a job."""

    partition: Optional[str] = _text("null or a partition of Slurm", "npu")
    time: Optional[str] = _text("null, minutes, or h:mm:ss, in quotes in a file", "30")
    gres: Optional[str] = _text("null or a resource of Slurm", "npu:1")
    account: Optional[str] = _text("null or an account of Slurm", "mine")
    mem: Optional[str] = _text("null or memory", "8G")
    cpus_per_task: int = key("a whole number from 1 to 9999", "2", within(1, _MOST))
    options: Optional[Mapping[str, Any]] = _options("options of srun", "{qos: low}")
    setup: Tuple[str, ...] = key(
        "a list of lines of a shell, without a password",
        "['module load ascend']",
        lambda lines: all(map(_shows_no_password, lines)),
    )
    python: Optional[str] = _text("null or a Python of the nodes", "python3")
    launching: Optional[Mapping[str, Any]] = _options("options of sbatch", "{partition: long}")


@dataclass(frozen=True)
class Ray(_Launcher):
    """An actor a job."""

    address: str = _text("auto or HOST:PORT", "auto")
    cpus: float = key("a number of cores, 0 to 9999", "2", within(0, _MOST))
    resources: Optional[Mapping[str, Any]] = key(
        "null or a mapping of resources of Ray, each a number above 0", "{NPU: 1}", _are_amounts
    )
    python: Optional[str] = _text("null or a Python of the nodes", "python3")
    dashboard: str = _text("http://HOST:8265", "http://127.0.0.1:8265")


LAUNCHERS: Dict[str, type] = {"local": Local, "slurm": Slurm, "ray": Ray}
