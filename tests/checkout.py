"""The project's own files, and a copy of them where a test may make and remove things."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import List

ROOT = Path(__file__).resolve().parent.parent


def tracked() -> List[str]:
    """Return the project's files, relative to ROOT, whether or not they are committed yet."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=str(ROOT), stdout=subprocess.PIPE, text=True, check=True)
    return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def copied(folder: Path) -> Path:
    """Copy the project's files into `folder`; return it."""
    for name in tracked():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(str(ROOT / name), str(folder / name))
    return folder
