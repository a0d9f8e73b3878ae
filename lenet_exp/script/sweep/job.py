"""python -m lenet_exp.script.sweep.job: one job, in a process of its own.

Started by a sweep only, as `lenet_exp.sweep.job` is: the order is the first line of the standard
input, whose end means that the launching process has ended. The script itself has none.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, Mapping

from lenet_exp.config.cli.script_options import ScriptOptions
from lenet_exp.script import run
from lenet_exp.sweep.places.ordered import exit_code


def main() -> int:
    """Run the job that was ordered; return the exit code."""
    return exit_code(_run)


def _leave_streams_to_the_script() -> None:
    """Have the log take what it prints, and nobody type anything."""
    order = os.dup(0)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    threading.Thread(target=_end_with_the_sweep, args=(order,), name="sweep", daemon=True).start()


def _end_with_the_sweep(order: int) -> None:
    """Wait for the end of the launching process, and leave no process of the job alive."""
    os.read(order, 1)
    os.killpg(0, signal.SIGKILL)  # the session is the job's own


def _run(order: Dict[str, Any]) -> int:
    _leave_streams_to_the_script()
    folder = Path(order["folder"])
    _copy(order["copied"])
    options = replace(ScriptOptions.read(order["words"]), record=folder)
    return run.run(options, {**order["tags"], "config_hash": order["identity"]})


def _copy(copied: Mapping[str, str]) -> None:
    """Make the job's own folders, each as the person's own is now; "": none is known."""
    for own, source in copied.items():
        if source and Path(source).is_dir():
            shutil.copytree(source, own, symlinks=True)
        else:
            Path(own).parent.mkdir(parents=True, exist_ok=True)


if __name__ == "__main__":
    sys.exit(main())
