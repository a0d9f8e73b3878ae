"""Files of the run folder; each is written whole or not at all."""

from __future__ import annotations

import io
import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Dict, Iterator

import numpy as np


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file under a temporary name, sync it, rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        if temporary.exists():
            temporary.unlink()
        raise


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a folder that becomes `path`, whole, when the block ends well."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.mkdir(parents=True)
    try:
        yield temporary
        for file in temporary.iterdir():
            with file.open("rb") as stream:
                os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        shutil.rmtree(str(temporary), ignore_errors=True)
        raise


def write_performance_precision(
    folder: Path, accuracy: float, ms_per_step: float, seconds: float
) -> None:
    """Write the ModelZoo's result file: three lines, CRLF, four digits."""
    lines = (
        f"Final Accuracy accuracy : {accuracy:.4f}",
        f"Final Performance ms/step : {ms_per_step:.4f}",
        f"Final Training Duration sec : {seconds:.4f}",
    )
    text = "".join(line + "\r\n" for line in lines)
    write_bytes(folder / "output" / "performance_precision.txt", text.encode())


def write_test_predictions(folder: Path, classes: np.ndarray) -> None:
    """Write test_predictions.npz: `classes` uint8 [10000], in the order of the test set."""
    packed = io.BytesIO()
    np.savez_compressed(packed, classes=classes.astype(np.uint8))
    write_bytes(folder / "test_predictions.npz", packed.getvalue())


def write_checkpoint(
    folder: Path, step: int, save: Callable[[str], None], state: Dict[str, Any]
) -> Path:
    """Write checkpoints/<step>/: TensorFlow Saver files `model.*` and state.npz; return it."""
    path = folder / "checkpoints" / str(step)
    path.parent.mkdir(parents=True, exist_ok=True)
    with new_folder(path) as made:
        save(str(made / "model"))
        np.savez(str(made / "state.npz"), step=step, **state)
    return path
