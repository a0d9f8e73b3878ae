"""Can a file or a folder be made or written, known without trying."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Optional


def obstacle(path: Path, is_folder: bool = True) -> Optional[str]:
    """Return what keeps a folder, or a file, from being made or written to; None if nothing."""
    whole = path.absolute()
    # Not Path.exists: in a folder that may not be entered it raises.
    place = next(part for part in (whole, *whole.parents) if os.path.lexists(str(part)))
    inside = is_folder or place != whole
    if inside != place.is_dir():
        return f"{place} is {'no' if inside else 'a'} folder"
    may = os.W_OK | (os.X_OK if inside else 0)
    return None if os.access(str(place), may) else f"{place} is read-only"
