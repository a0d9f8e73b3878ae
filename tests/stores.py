"""New stores without the seconds that MLflow 3 takes to make its tables."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

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
