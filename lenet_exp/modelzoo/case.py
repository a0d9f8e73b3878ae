"""One training by the ModelZoo's command line: a run, and the ModelZoo's files made of it."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import List

from lenet_exp.config.chip.machine import check_environment
from lenet_exp.data import download, files, mnist
from lenet_exp.modelzoo import case_files
from lenet_exp.modelzoo.case_files import Outcome, Places
from lenet_exp.modelzoo.flags import CASES, CommandLine, quoted
from lenet_exp.record.run import checkpoints, run_folders
from lenet_exp.record.run.run_files import write_bytes
from lenet_exp.record.store import journal
from lenet_exp.record.terminal import fetch_progress, stop_printing
from lenet_exp.training.history import summarize

_SECONDS_TO_END = 120  # for a run that is to end: it closes its record


def train(command: CommandLine, arguments: List[str], device: str) -> int:
    """Run python -m lenet_exp.run with `arguments`; return its exit code, files made if it is 0."""
    check_environment({"ASCEND_DEVICE_ID": device})
    _fetch(command.data)
    folder = command.project / time.strftime(f"outputs/%Y-%m-%d_%H-%M-%S-{os.getpid()}")
    batch = int(command.flags.get("batch_size", 64))
    case = case_files.case_name(batch, CASES[command.case].suffix)
    places = Places.of(command.output, device, case)
    places.log.parent.mkdir(parents=True, exist_ok=True)
    places.clear()
    began = time.monotonic()
    code = _run(command.project, [*arguments, f"hydra.run.dir={quoted(str(folder))}"], places.log)
    if code == 0:
        _write(places, _outcome(folder, time.monotonic() - began), folder, case)
    return code


def _fetch(folder: Path) -> None:
    """Fetch what `folder` lacks of MNIST, as the ModelZoo's reader does."""
    if (folder / "mnist.npz").exists() or all(mnist.find(folder, file) for file in files.FILES):
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
            child.wait(_SECONDS_TO_END)
            raise
    return code if code >= 0 else 128 - code  # as a shell tells of a signal


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


def _write(places: Places, made: Outcome, folder: Path, case: str) -> None:
    result = (folder / "output" / case_files.RESULT).read_bytes()
    write_bytes(places.result, result)
    case_files.write_log(places.log, made, result.decode())
    losses = "".join(f"{loss}\n" for loss in case_files.loss_lines(made.history))
    write_bytes(places.losses, losses.encode())
    case_files.write_checkpoint(places.checkpoint, Path(checkpoints.newest(folder).prefix))
    write_bytes(places.case_log, case_files.case_log(made, case, platform.machine()).encode())
    print(f"Hardware : {made.hardware}")
    print(f"Final Performance images/sec : {made.images_per_sec:.2f}")
    print(f"Final Train Accuracy : {made.accuracy:.4f}")
    print(f"E2E Training Duration sec : {made.whole_seconds:.0f}")
