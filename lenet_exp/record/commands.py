"""Commands that are printed for a person to type."""

from __future__ import annotations

import shlex
from pathlib import Path


def resume_command(run: object) -> str:
    """Return what goes on with a run, given its id or folder."""
    return f"python -m lenet_exp.run resume={shlex.quote(str(run))}"


def upload_command(folder: Path) -> str:
    """Return what tells the store of the run in `folder`."""
    return f"python -m lenet_exp.upload run={shlex.quote(str(short(folder)))}"


def short(path: Path) -> Path:
    """Return a path as it is typed from here."""
    try:
        return path.relative_to(Path.cwd())
    except ValueError:
        return path
