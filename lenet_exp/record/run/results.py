"""The files of what a run reached: accuracy and time, and the classes of the test images."""

from __future__ import annotations

import io

import numpy as np

from lenet_exp.record.run.run_files import RunFolder


def write_performance_precision(
    folder: RunFolder, accuracy: float, ms_per_step: float, seconds: float
) -> None:
    """Write the ModelZoo's result file: three lines, CRLF, four digits."""
    text = (
        f"Final Accuracy accuracy : {accuracy:.4f}\r\n"
        f"Final Performance ms/step : {ms_per_step:.4f}\r\n"
        f"Final Training Duration sec : {seconds:.4f}\r\n"
    )
    folder.write("output/performance_precision.txt", text.encode())


def write_test_predictions(folder: RunFolder, classes: np.ndarray, labels: np.ndarray) -> None:
    """Write test_predictions.npz: `classes` and true `labels`, uint8 [test images], in order."""
    packed = io.BytesIO()
    np.savez_compressed(packed, classes=classes.astype(np.uint8), labels=labels.astype(np.uint8))
    folder.write("test_predictions.npz", packed.getvalue())
