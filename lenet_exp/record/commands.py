"""Commands that are printed for a person to type."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import List

_came_from: List[Path] = []  # where the person is, if the process left it


def go_to(folder: Path) -> None:
    """Make `folder` current; commands are still printed for where the person is."""
    _came_from.append(Path.cwd())
    os.chdir(str(folder))


def _here() -> Path:
    return _came_from[0] if _came_from else Path.cwd()


def resume_command(folder: Path) -> str:
    """Return what goes on with the run in `folder`."""
    return f"python -m lenet_exp.run resume={shlex.quote(str(short(folder)))}"


def upload_command(folder: Path) -> str:
    """Return what tells the store of the run in `folder`."""
    return f"python -m lenet_exp.upload run={shlex.quote(str(short(folder)))}"


def change_folder() -> List[str]:
    """Return what leads a person to where this run works; nothing if they are there."""
    return [] if Path.cwd() == _here() else [f"cd {shlex.quote(str(Path.cwd()))}"]


def short(path: Path) -> Path:
    """Return a path as it is typed from where the person is."""
    try:
        return path.relative_to(_here())
    except ValueError:
        return path
