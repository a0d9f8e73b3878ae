"""Which checkpoint a path means. Light: no TensorFlow."""

from __future__ import annotations

import glob
import re
from pathlib import Path
from typing import List, Optional

_FILE = r"\.(index|data-\d+-of-\d+)$"


def prefix_of(path: Path) -> Optional[Path]:
    """Return the Saver's prefix (PREFIX.index, PREFIX.data-*) that `path` means, or None.

    It is a prefix, one of its two files, a folder of a checkpoint of ours, a run folder (the
    newest one in it), or a folder that a Saver wrote to, with its file `checkpoint`.
    """
    for name in (path.name, re.sub(rf"{_FILE}|\.meta$", "", path.name)):
        if name and path.with_name(f"{name}.index").is_file():  # "." and "/" have no name
            return path.with_name(name)
    if not path.is_dir():
        return None
    steps = [p.parent for p in path.glob("checkpoints/*/model.index") if p.parent.name.isdigit()]
    for folder in (path, *sorted(steps, key=lambda step: int(step.name), reverse=True)):
        if (folder / "model.index").is_file():
            return folder / "model"
    return _last_saved(path)


def files_of(prefix: Path) -> List[Path]:
    """Return the files that a checkpoint's values are in, sorted."""
    found = prefix.parent.glob(f"{glob.escape(prefix.name)}.*")
    return sorted(path for path in found if re.fullmatch(_FILE, path.name[len(prefix.name) :]))


def prefix_named(text: str) -> Optional[Path]:
    """Return what `prefix_of` does for a path as it is typed; None too for what can be none."""
    try:
        return prefix_of(Path(text).expanduser())
    except (OSError, RuntimeError, ValueError):  # too long, no such user, a zero byte
        return None


def _last_saved(folder: Path) -> Optional[Path]:
    try:
        told = folder / "checkpoint"
        text = told.read_text() if told.is_file() else ""  # a pipe may have no end
    except (OSError, UnicodeDecodeError):
        return None
    named = re.search(r'^model_checkpoint_path: "([^"]+)"', text, re.MULTILINE)
    if named is None:
        return None
    prefix = folder / Path(named.group(1)).name  # the folder may have been moved since
    return prefix if prefix.with_name(prefix.name + ".index").is_file() else None
