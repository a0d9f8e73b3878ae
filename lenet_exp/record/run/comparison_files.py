"""The files of a comparison: in outputs/comparisons, and with the parent run of its sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, Mapping, Optional

from lenet_exp.record.run.run_files import write_bytes
from lenet_exp.record.store.mlflow_store import NOTE, Run, Store

_ARTIFACTS = "comparison"
_OURS = ("comparison.*", "*.png")


def keep(
    store: Store,
    name: str,
    parent: Optional[str],
    files: Mapping[str, bytes],
    note: Callable[[str], str],
) -> Path:
    """Write the files of a comparison; return their folder, which has none of an earlier one.

    Args:
        store: where the runs are.
        name: of the folder.
        parent: the id of the sweep's parent run, None where there is none.
        files: by name.
        note: takes the link to the folder of the files in MLflow, returns that run's description.
    """
    folder = Path("outputs", "comparisons", name).resolve()
    for earlier in (path for pattern in _OURS for path in folder.glob(pattern)):
        if earlier.name not in files and earlier.is_file():
            earlier.unlink()
    for file, content in files.items():
        write_bytes(folder / file, content)
    if parent is not None:
        run = Run(store, parent)
        for file in files:
            run.artifact(folder / file, _ARTIFACTS)
        run.tags({NOTE: note(run.link(_ARTIFACTS))})
    return folder
