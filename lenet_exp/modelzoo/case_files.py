"""What the ModelZoo's scripts leave, in their formats (npu-bridge-contract.md, 6)."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Iterator, List, Mapping, NamedTuple

import numpy as np

from lenet_exp.record.run.run_files import write_bytes
from lenet_exp.training.history import History

NETWORK = "LeNet_ID0127_for_TensorFlow"
RESULT = "performance_precision.txt"


class Outcome(NamedTuple):
    """A finished training; times in seconds, `sec_per_step` the mean of all but the first line."""

    history: History
    steps_per_epoch: int
    batch_size: int
    accuracy: float
    sec_per_step: float
    whole_seconds: float
    hardware: str  # and whether a precision mode was emulated

    @property
    def images_per_sec(self) -> float:
        """From the time as measured, not as it is printed."""
        return self.batch_size / self.sec_per_step


class Places(NamedTuple):
    """Where each file goes."""

    log: Path
    result: Path
    case_log: Path
    losses: Path
    checkpoint: Path

    @classmethod
    def of(cls, output: Path, device: str, case: str) -> Places:
        """Return the places in `output` of a case that runs on `device`."""
        own = output / device
        return cls(
            own / f"train_{device}.log",
            output / RESULT,
            own / f"{case}.log",
            own / f"train_{case}_loss.txt",
            output / "ckpt_npu",
        )

    def clear(self) -> None:
        """Remove an earlier training's results: one that fails leaves none."""
        for path in (self.result, self.case_log, self.losses):
            if path.exists():
                path.unlink()


def case_name(batch_size: int, suffix: str) -> str:
    """Return what a case is called: suffix acc for the full one, perf for performance."""
    return f"{NETWORK}_bs{batch_size}_1p_{suffix}"


def log_lines(history: History, steps_per_epoch: int) -> Iterator[str]:
    """Yield a line a window: epoch from 0, the window's first step in it, its last loss."""
    first, windows = 0, zip(history.window_steps, history.window_seconds, loss_lines(history))
    for steps, seconds, loss in windows:
        epoch, step = divmod(int(first), steps_per_epoch)
        rate = f"sec/step : {seconds / steps:.6f}"
        yield f"epoch : {epoch}----step : {step}----loss : {loss}----{rate}"
        first += steps


def loss_lines(history: History) -> List[str]:
    """Return the losses of the log's lines."""
    return [f"{history.losses[end - 1]:.6f}" for end in np.cumsum(history.window_steps)]


def case_log(made: Outcome, case: str, machine: str) -> str:
    """Return the case log, `Key = value` a line; `machine` as uname -m has it."""
    accuracy = f"{made.accuracy:.4f}"
    values: Mapping[str, object] = {
        "Network": NETWORK,
        "RankSize": 1,
        "BatchSize": made.batch_size,
        "DeviceType": machine,
        "CaseName": case,
        "ActualFPS": f"{made.images_per_sec:.2f}",
        "TrainingTime": f"{1000 * made.sec_per_step:.2f}",
        "ActualLoss": loss_lines(made.history)[-1],
        "TrainAccuracy": accuracy,
        "Accuracy": accuracy,  # the performance script's name for it: both have both
        "E2ETrainingTime": f"{made.whole_seconds:.0f}",
        "Hardware": made.hardware,
    }
    return "".join(f"{key} = {value}\n" for key, value in values.items())


def write_log(path: Path, made: Outcome, result: str) -> None:
    """Add the ModelZoo's lines to the log, after what the run itself printed."""
    lines = [*log_lines(made.history, made.steps_per_epoch), f"accuracy : {made.accuracy:.4f}"]
    with path.open("a") as stream:
        stream.write("".join(f"{line}\n" for line in [*lines, *result.split("\r\n")[:-1]]))


def write_checkpoint(folder: Path, prefix: Path) -> None:
    """Copy a checkpoint's Saver files to where, and under the name, the ModelZoo has them."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in prefix.parent.glob(f"{prefix.name}.*"):
        shutil.copy(str(path), str(folder / f"mode.ckpt{path.name[len(prefix.name) :]}"))
    text = 'model_checkpoint_path: "mode.ckpt"\nall_model_checkpoint_paths: "mode.ckpt"\n'
    write_bytes(folder / "checkpoint", text.encode())
