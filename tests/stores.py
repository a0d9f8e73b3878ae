"""What is made once for all tests: a new store, for whose tables MLflow 3 takes seconds."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import tempfile
from pathlib import Path
from typing import Iterator

from lenet_exp.record.store import mlflow_store


@functools.lru_cache(maxsize=None)
def _database() -> bytes:
    """Return a database as a first run makes it, before there is an experiment."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "store.db")
        mlflow_store._make_database(f"sqlite:///{path}")
        return path.read_bytes()


def new_store(path: Path) -> str:
    """Make a store that is used at once, and return its URI."""
    path.write_bytes(_database())
    return f"sqlite:///{path}"


@contextlib.contextmanager
def made_once(tmp_path_factory, name: str) -> Iterator[Path]:
    """Yield the folder of this name that all workers of a session have; one of them is here.

    Whoever finds it missing makes it.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
