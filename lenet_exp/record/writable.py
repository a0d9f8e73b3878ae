"""Can a file or a folder be made or written, known before it is, and without a trace."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Optional

from lenet_exp.errors import ConfigError


def obstacle(path: Path, is_folder: bool = True) -> Optional[str]:
    """Return what keeps a folder, or a file, from being made or written to; None if nothing."""
    whole = path.absolute()
    # Not Path.exists: in a folder that may not be entered it raises.
    place = next(part for part in (whole, *whole.parents) if os.path.lexists(str(part)))
    inside = is_folder or place != whole
    if inside != place.is_dir():
        return f"{place} is {'no' if inside else 'a'} folder"
    may = os.W_OK | (os.X_OK if inside else 0)
    if not os.access(str(place), may):
        return f"{place} is read-only"
    return _refusal(place) if inside else None


def check(key: str, path: Path, remedy: str, is_folder: bool = True) -> None:
    """Refuse a place of a key before time is spent on what belongs there.

    Raises:
        ConfigError: it can't be made or written.
    """
    why = obstacle(path, is_folder)
    if why is not None:
        what = "folder" if is_folder else "file"
        raise ConfigError(key, path, f"a {what} that can be made and written ({why})", remedy)


def _refusal(folder: Path) -> Optional[str]:
    """Return why nothing can be made in a folder whose permissions allow it; None if it can.

    A file system may have its own mind: /sys takes no folder, a full one nothing.
    """
    try:
        tempfile.TemporaryFile(dir=str(folder)).close()  # has no name, where the system can do so
    except OSError as error:
        return f"{folder}: {error.strerror or error}"
    return None
