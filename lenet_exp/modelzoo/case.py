"""One training by the ModelZoo's command line: a run, and the ModelZoo's files made of it.

npu-bridge-contract.md, 6.
"""

from __future__ import annotations

import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, NamedTuple, Sequence

import numpy as np

from lenet_exp.config.chip.machine import check_environment
from lenet_exp.config.cli.json_words import as_typed
from lenet_exp.data import download, layout
from lenet_exp.modelzoo.flags import CASES, CommandLine
from lenet_exp.record.run import checkpoints, run_folders
from lenet_exp.record.run.run_files import write_bytes
from lenet_exp.record.store import journal
from lenet_exp.record.terminal import fetch_progress, stop_printing
from lenet_exp.training.history import History, summarize

NETWORK = "LeNet_ID0127_for_TensorFlow"
RESULT = "performance_precision.txt"
_REFUSED = 2  # the run's exit code
_SECONDS_TO_END = 120  # for a run that is to end: it closes its record


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


class CaseFiles(NamedTuple):
    """Where each file goes."""

    log: Path
    result: Path
    case_log: Path
    losses: Path
    checkpoint: Path

    @classmethod
    def of(cls, output: Path, device: str, case: str) -> CaseFiles:
        """Return the files in `output` of a case that runs on `device`."""
        own = output / device
        return cls(
            own / f"train_{device}.log",
            output / RESULT,
            own / f"{case}.log",
            own / f"train_{case}_loss.txt",
            output / "ckpt_npu",
        )


def _log_lines(made: Outcome) -> Iterator[str]:
    """Yield a line a window: epoch from 0, the window's first step in it, its last loss."""
    first, history = 0, made.history
    windows = zip(history.window_steps, history.window_seconds, _loss_lines(history))
    for steps, seconds, loss in windows:
        epoch, step = divmod(int(first), made.steps_per_epoch)
        rate = f"sec/step : {seconds / steps:.6f}"
        yield f"epoch : {epoch}----step : {step}----loss : {loss}----{rate}"
        first += steps


def _loss_lines(history: History) -> List[str]:
    return [f"{history.losses[end - 1]:.6f}" for end in np.cumsum(history.window_steps)]


def _case_log(made: Outcome, case: str, machine: str) -> str:
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
        "ActualLoss": _loss_lines(made.history)[-1],
        "TrainAccuracy": accuracy,
        "Accuracy": accuracy,  # the performance script's name for it: both have both
        "E2ETrainingTime": f"{made.whole_seconds:.0f}",
        "Hardware": made.hardware,
    }
    return "".join(f"{key} = {value}\n" for key, value in values.items())


def train(command: CommandLine, arguments: List[str], batch_size: int, device: str) -> int:
    """Run python -m lenet_exp.run with `arguments`; return its exit code, files made if it is 0.

    Earlier results are left where the run is refused, and nowhere else; the log is its own.
    """
    check_environment({"ASCEND_DEVICE_ID": device})
    if command.data is not None:
        _fetch(command.data)
    folder = command.project / time.strftime(f"outputs/%Y-%m-%d_%H-%M-%S-{os.getpid()}")
    case = f"{NETWORK}_bs{batch_size}_1p_{CASES[command.case].suffix}"
    files = CaseFiles.of(command.output, device, case)
    files.log.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    words = [*arguments, f"hydra.run.dir={as_typed(str(folder))}"]
    files.log.write_text("")  # first: where it can't be written nothing else is touched
    earlier = _taken_away([files.result, files.case_log, files.losses])
    code = _run(command.project, words, files.log)
    if code == _REFUSED and not (folder / journal.NAME).exists():
        for path, content in earlier.items():
            write_bytes(path, content)
    if code == 0:
        _write(files, _outcome(folder, time.monotonic() - began), folder, case)
    return code


def _taken_away(paths: Sequence[Path]) -> Dict[Path, bytes]:
    """Remove the files that are there; return their content.

    They are in no file meanwhile: a call that is killed leaves none that nobody looks for.
    """
    content = {path: path.read_bytes() for path in paths if path.exists()}
    for path in content:
        path.unlink()
    return content


def _fetch(folder: Path) -> None:
    """Fetch what `folder` lacks of MNIST, as the ModelZoo's reader does."""
    if not layout.is_without_data(folder):
        return
    with fetch_progress() as progress:
        download.fetch(folder, progress)


def _run(project: Path, arguments: List[str], log: Path) -> int:
    """Run a training in `project`; what it prints goes to the screen and the log."""
    command = [sys.executable, "-m", "lenet_exp.run", *arguments]
    with log.open("w") as kept, subprocess.Popen(  # noqa: S603 - our own program
        command,
        cwd=str(project),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
        start_new_session=True,  # a Ctrl-C reaches it once: by us
    ) as child:
        try:
            for line in child.stdout or ():
                kept.write(line)
                kept.flush()
                _show(line)
            code = child.wait()
        except BaseException as error:  # the run ends with us, and closes its record
            number = signal.SIGINT if isinstance(error, KeyboardInterrupt) else signal.SIGTERM
            child.send_signal(number)
            _wait_or_kill(child)
            raise
    return code if code >= 0 else 128 - code  # as a shell tells of a signal


def _wait_or_kill(child: subprocess.Popen[str]) -> None:
    try:
        child.wait(_SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)  # it is a session of its own
        problem = f"the run did not end within {_SECONDS_TO_END} s and was killed"
        print(f"lenet-exp: {problem}; the next run says how to go on with it", file=sys.stderr)


def _show(line: str) -> None:
    try:
        print(line, end="", flush=True)
    except BrokenPipeError:  # `| head`: nobody reads on, and the training goes on
        stop_printing()


def _outcome(folder: Path, whole_seconds: float) -> Outcome:
    settings, history = run_folders.settings_of(folder), checkpoints.newest(folder).history
    entries = journal.read(folder)
    tags = journal.merged(entries, "tags")
    emulated = ", precision mode emulated" if tags["emulated"] == "true" else ""
    return Outcome(
        history,
        settings.schedule.steps_per_epoch,
        settings.schedule.batch_size,
        journal.merged(entries, "metrics")["accuracy"],
        summarize(history).mean,
        whole_seconds,
        f"{tags['hardware']}{emulated}",
    )


def _write(files: CaseFiles, made: Outcome, folder: Path, case: str) -> None:
    result = (folder / "output" / RESULT).read_bytes()
    write_bytes(files.result, result)
    lines = [*_log_lines(made), f"accuracy : {made.accuracy:.4f}"]
    lines += result.decode().split("\r\n")[:-1]
    with files.log.open("a") as stream:  # after what the run itself printed
        stream.write("".join(f"{line}\n" for line in lines))
    losses = "".join(f"{loss}\n" for loss in _loss_lines(made.history))
    write_bytes(files.losses, losses.encode())
    _write_checkpoint(files.checkpoint, Path(checkpoints.newest(folder).prefix))
    write_bytes(files.case_log, _case_log(made, case, platform.machine()).encode())
    print(f"Hardware : {made.hardware}")
    print(f"Final Performance images/sec : {made.images_per_sec:.2f}")
    print(f"Final Train Accuracy : {made.accuracy:.4f}")
    print(f"E2E Training Duration sec : {made.whole_seconds:.0f}")


def _write_checkpoint(folder: Path, prefix: Path) -> None:
    """Copy a checkpoint's Saver files to where, and under the name, the ModelZoo has them."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in prefix.parent.glob(f"{prefix.name}.*"):
        shutil.copy(str(path), str(folder / f"mode.ckpt{path.name[len(prefix.name) :]}"))
    text = 'model_checkpoint_path: "mode.ckpt"\nall_model_checkpoint_paths: "mode.ckpt"\n'
    write_bytes(folder / "checkpoint", text.encode())
