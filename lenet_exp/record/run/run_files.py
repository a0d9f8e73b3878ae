"""Files of the run folder; each is written whole or not at all."""

from __future__ import annotations

import io
import os
import re
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

import numpy as np

from lenet_exp.record.store import processes

_UNFINISHED = re.compile(
    r"\.(\d+|[\w.]+\.(png|txt|npz|yaml|json|diff|csv|html))(\.[\w-]+)?\.\d+\.part"
)


def remove_unfinished(folder: Path) -> None:
    """Remove what a killed process left half written in a run folder, and nothing of others."""
    places = [folder, *(folder / name for name in ("checkpoints", "figures", "output"))]
    for path in [path for place in places for path in place.glob(".*.part")]:
        if _UNFINISHED.fullmatch(path.name):
            _remove(path)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file under a temporary name, sync it, rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _renamed_to(path) as temporary, temporary.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a folder that becomes `path`, whole, when the block ends well; an old one goes then."""
    with _renamed_to(path) as temporary:
        temporary.mkdir(parents=True)
        yield temporary
        for file in (*temporary.iterdir(), temporary):
            _sync(file)
        if path.exists():
            shutil.rmtree(str(path))


@contextmanager
def _renamed_to(path: Path) -> Iterator[Path]:
    """Yield a temporary name of what becomes `path` when the block ends well, and else goes."""
    for left in processes.left_unfinished(path):
        _remove(left)
    temporary = processes.unfinished(path)
    try:
        yield temporary
        temporary.replace(path)
        _sync(path.parent)
    except BaseException:
        _remove(temporary)
        raise


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(str(path), ignore_errors=True)
    elif path.exists():
        path.unlink()


def _sync(path: Path) -> None:
    descriptor = os.open(str(path), os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_performance_precision(
    folder: Path, accuracy: float, ms_per_step: float, seconds: float
) -> None:
    """Write the ModelZoo's result file: three lines, CRLF, four digits."""
    text = (
        f"Final Accuracy accuracy : {accuracy:.4f}\r\n"
        f"Final Performance ms/step : {ms_per_step:.4f}\r\n"
        f"Final Training Duration sec : {seconds:.4f}\r\n"
    )
    write_bytes(folder / "output" / "performance_precision.txt", text.encode())


def write_test_predictions(folder: Path, classes: np.ndarray, labels: np.ndarray) -> None:
    """Write test_predictions.npz: `classes` and true `labels`, uint8 [test images], in order."""
    packed = io.BytesIO()
    np.savez_compressed(packed, classes=classes.astype(np.uint8), labels=labels.astype(np.uint8))
    write_bytes(folder / "test_predictions.npz", packed.getvalue())
