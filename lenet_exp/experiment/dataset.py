"""The data of a run, fetched where it is missing. Imports no TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

from lenet_exp.data import download, files, mnist
from lenet_exp.record.terminal import fetch_progress


def load_data(path: Optional[str]) -> mnist.Mnist:
    """Read the person's own folder, or the verified cache, fetching what is missing there."""
    if path is not None:
        return mnist.load(Path(path).expanduser())
    folder = files.cache_folder()
    with fetch_progress() as progress:
        download.fetch(folder, progress)
    return mnist.load(folder)
