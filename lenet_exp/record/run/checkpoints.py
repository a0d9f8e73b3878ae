"""Checkpoints: written whole or not at all, and verified before one is used.

checkpoints/<step>/ holds TensorFlow's Saver files `model.*` (variables, optimizer slots, the
loss scale's state), `state.npz` (the History) and `manifest.json` (the SHA-256 of the others).
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Callable, Dict, List, NamedTuple, Optional

import numpy as np

from lenet_exp.record.run.run_files import new_folder
from lenet_exp.training.history import History

_KEPT = 2  # besides the best
# What JSON, zip archives and numpy raise for what `write` never wrote.
_DAMAGED = (
    OSError, ValueError, LookupError, TypeError, AttributeError, SyntaxError, EOFError,
    RuntimeError, MemoryError, struct.error, tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


class Checkpoint(NamedTuple):
    """The newest whole checkpoint, None if there is none, and what is wrong with newer ones."""

    path: Optional[Path]
    history: History
    damaged: List[str]

    @property
    def prefix(self) -> str:
        """Where the Saver files are."""
        return str(self.path / "model") if self.path else ""


def write(
    folder: Path,
    history: History,
    save: Callable[[str], None],
    check: Callable[[], None] = lambda: None,
) -> Path:
    """Write the checkpoint of `history.step`, and remove those no longer kept; return it.

    The last two stay, and the best by validation. `check` raises where this process may write no
    more: then no checkpoint is made, and none removed.

    Raises:
        OSError: it can't be written; the older ones are still there.
    """
    path = folder / "checkpoints" / str(history.step)
    path.parent.mkdir(parents=True, exist_ok=True)
    with new_folder(path, check) as made:
        save(str(made / "model"))
        with (made / "state.npz").open("wb") as stream:
            np.savez(stream, **history._asdict())
        sums = {file.name: _sha256(file) for file in sorted(made.iterdir())}
        (made / "manifest.json").write_text(json.dumps(sums, indent=1))
    made_so_far = [step for step in steps(folder) if step <= history.step]
    for step in made_so_far[:-_KEPT]:
        if step != history.best_step:
            check()
            shutil.rmtree(str(path.with_name(str(step))))
    return path


def newest(folder: Path) -> Checkpoint:
    """Return the newest checkpoint that is whole, and name the damaged ones that are newer."""
    damaged: List[str] = []
    for step in reversed(steps(folder)):
        path = folder / "checkpoints" / str(step)
        try:
            return Checkpoint(path, _read(path), damaged)
        except _DAMAGED as error:
            damaged.append(f"checkpoint {path} is damaged ({error})")
    return Checkpoint(None, History(), damaged)


def steps(folder: Path) -> List[int]:
    """Return the steps of which a folder has checkpoints, whole or not, the last one last."""
    paths = [path for path in (folder / "checkpoints").glob("[0-9]*") if path.is_dir()]
    return sorted(int(path.name) for path in paths if re.fullmatch("[0-9]+", path.name))


def _read(path: Path) -> History:
    sums: Dict[str, str] = json.loads((path / "manifest.json").read_text())
    written = {file.name for file in path.iterdir()} - {"manifest.json"}
    if not {"model.index", "state.npz"} <= {*sums} or not {*sums} <= written:
        raise ValueError("manifest.json is not what was written")
    for name, recorded in sums.items():
        if _sha256(path / name) != recorded:
            raise ValueError(f"{name} is not what was written")
    with np.load(str(path / "state.npz")) as kept:
        return History(**{name: kept[name] for name in History._fields})


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
