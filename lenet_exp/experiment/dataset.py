"""The data of a run, fetched where it is missing. Imports no TensorFlow."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Optional, Tuple

from lenet_exp.config.cli.suggest import not_possible
from lenet_exp.config.schema.run import Settings
from lenet_exp.data import download, files, mnist
from lenet_exp.record.terminal import fetch_progress


def load_data(path: Optional[str]) -> mnist.Mnist:
    """Read the person's own folder, or the verified cache, fetching what is missing there.

    Raises:
        DataError: it can't be read, or is no data set of ten classes of 28x28.
        FetchError: what is missing can't be fetched.
    """
    if path is not None:
        return _read_once(Path(path).expanduser().absolute())
    folder = files.cache_folder()
    return _verified_once(folder, files.stamps(folder))


@functools.lru_cache(maxsize=1)
def _read_once(path: Path) -> mnist.Mnist:
    """Read what is checked before a run begins, and then used by it."""
    return mnist.load(path)


@functools.lru_cache(maxsize=1)
def _verified_once(folder: Path, stamps: Tuple[Tuple[int, ...], ...]) -> mnist.Mnist:
    """Read the official files, verified; once, as long as they have the same `stamps`."""
    with fetch_progress() as progress:
        download.fetch(folder, progress)
    return mnist.load(folder)


def load_for(settings: Settings) -> mnist.Mnist:
    """Return the data of a run; raises as `load_data`, and ConfigError for a batch too large."""
    data, batch = load_data(settings.data.path), settings.schedule.batch_size
    if batch > len(data.train.labels):
        key, allowed = "schedule.batch_size", f"1 to {len(data.train.labels)} (the training set)"
        raise not_possible(key, batch, allowed, f"{key}={min(64, len(data.train.labels))}")
    return data
