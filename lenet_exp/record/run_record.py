"""The record of one run: MLflow, the run folder and the screen, told the same things."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Mapping, NamedTuple

import numpy as np

from lenet_exp.record import plots, run_files
from lenet_exp.record.mlflow_store import Run, Store
from lenet_exp.record.progress import Progress, closing_block, next_commands
from lenet_exp.record.store_check import without_password

_LOG = logging.getLogger("lenet_exp")
TARGET_ACCURACY = 0.975  # the ModelZoo's


class Identity(NamedTuple):
    """What a run is before it starts: its name, settings (dotted -> value, YAML) and tags."""

    name: str
    params: Mapping[str, object]
    yaml: str
    tags: Mapping[str, str]


class Speed(NamedTuple):
    """Seconds per step over windows, and images a step."""

    median: float
    mean: float
    p95: float
    batch_size: int


class RunRecord:
    """Takes what happens in a run, in order."""

    def __init__(self, run: Run, folder: Path, progress: Progress) -> None:
        """Record into `run`, `folder` and `progress`."""
        self.run_id = run.run_id
        self._run = run
        self._folder = folder
        self._progress = progress
        self.seconds: List[float] = []
        self.steps: List[int] = []
        self._losses: List[np.ndarray] = []
        self._skipped = 0
        self._validated: Dict[int, float] = {}

    def window(
        self,
        first_step: int,
        steps: int,
        seconds: float,
        losses: np.ndarray,
        skipped: np.ndarray,
        loss_scale: float,
    ) -> None:
        """Record a window of steps; see training.trainer.Window."""
        self.seconds.append(seconds)
        self.steps.append(steps)
        self._losses.append(losses)
        self._skipped += int(skipped.sum())
        loss, last = float(np.mean(losses)), first_step + steps
        values = {
            "loss": loss,
            "loss_scale": loss_scale,
            "skipped_steps": self._skipped,
            "window_sec_per_step": seconds / steps,
        }
        self._run.metrics(values, last)
        self._progress.window(last, steps, loss, seconds / steps, loss_scale)

    def validation(self, epoch: int, accuracy: float) -> None:
        """Record the validation accuracy (0..1) after an epoch (from 1)."""
        step = sum(self.steps)
        values = {"validation_accuracy": accuracy}
        reached = any(before >= TARGET_ACCURACY for before in self._validated.values())
        if accuracy >= TARGET_ACCURACY and not reached:
            values[f"seconds_to_{TARGET_ACCURACY}"] = sum(self.seconds)
        self._validated[step] = accuracy
        self._run.metrics(values, step)
        self._progress.validation(epoch, accuracy)

    def finish(
        self, labels: np.ndarray, classes: np.ndarray, speed: Speed, save: Callable[[str], None]
    ) -> float:
        """Record the test set's result, pictures, files and checkpoint; return the accuracy."""
        accuracy, step = float(np.mean(labels == classes)), sum(self.steps)
        values = {
            "accuracy": accuracy,
            "accuracy_percent": 100 * accuracy,
            "sec_per_step": speed.median,
            "sec_per_step_mean": speed.mean,
            "sec_per_step_p95": speed.p95,
            "ms_per_step": 1000 * speed.median,
            "images_per_sec": speed.batch_size / speed.median,
        }
        self._run.metrics(values, step)
        run_files.write_performance_precision(
            self._folder, accuracy, 1000 * speed.median, sum(self.seconds)
        )
        run_files.write_test_predictions(self._folder, classes)
        losses = np.concatenate(self._losses)
        if not np.isfinite(losses[-1]):
            first = int(np.argmin(np.isfinite(losses))) + 1
            self._progress.say(f"the training diverged: the loss of step {first} is no number")
        curve = plots.loss_curve(losses, list(self._validated), list(self._validated.values()))
        run_files.write_bytes(self._folder / "figures" / "loss.png", curve)
        matrix = plots.confusion_matrix(labels, classes)
        run_files.write_bytes(self._folder / "figures" / "confusion_matrix.png", matrix)
        run_files.write_checkpoint(self._folder, step, save, {"losses": losses})
        for name in ("output", "figures", "checkpoints", "test_predictions.npz"):
            self._run.artifact(self._folder / name)
        self._progress.say(f"test accuracy {accuracy:.4f}")
        return accuracy


@contextlib.contextmanager
def open_record(
    store: Store, identity: Identity, folder: Path, progress: Progress
) -> Iterator[RunRecord]:
    """Yield the record of a new run, which ends with the right status whatever happens."""
    with store.run(identity.name, identity.tags) as run, contextlib.closing(progress):
        run_files.write_bytes(folder / "config.yaml", identity.yaml.encode())
        run.params(identity.params)
        run.artifact(folder / "config.yaml")
        _LOG.info("run %s in %s", run.run_id, without_password(store.uri))
        try:
            yield RunRecord(run, folder, progress)
        except Exception:
            _LOG.exception("the run failed")
            raise
        finally:
            if (folder / "run.log").exists():
                run.artifact(folder / "run.log")


def say_result(
    progress: Progress, folder: Path, run_id: str, accuracy: float, speed: Speed, ui: str
) -> None:
    """Print the closing block: what came out, where it is, and what to type next."""
    progress.say(closing_block(accuracy, speed.median, _short(folder), run_id, next_commands(ui)))


def _short(folder: Path) -> Path:
    try:
        return folder.relative_to(Path.cwd())
    except ValueError:
        return folder
