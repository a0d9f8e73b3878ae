"""python -m lenet_exp.script.sweep.job: one job, in a process of its own.

Started by a sweep only, as `lenet_exp.sweep.job` is: the order is the first line of the standard
input, whose end means that the launching process has ended. The script itself has none.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import stat
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence

from lenet_exp.config.cli.mend import CommandLine
from lenet_exp.config.cli.script_options import ScriptOptions, parts
from lenet_exp.errors import DataError, LenetExpError, wrap_os_error
from lenet_exp.record.store.journal import Journal
from lenet_exp.script import interpreter, run
from lenet_exp.sweep.executors.ordered import end_with_the_sweep, exit_code


def main() -> int:
    """Run the job that was ordered; return the exit code."""
    return exit_code(_run)


def _leave_streams_to_the_script() -> None:
    """Have the log take what it prints, and nobody type anything."""
    order = os.dup(0)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    # The session is the job's own: no process of it stays.
    end_with_the_sweep(order, lambda: os.killpg(0, signal.SIGKILL))


def _run(order: Dict[str, Any]) -> int:
    _leave_streams_to_the_script()
    return carry_out(order)


def carry_out(order: Dict[str, Any]) -> int:
    """Run the script; return its exit code. Why it never began is kept in the job's record.

    Raises:
        LenetExpError, OSError: something that was ordered can't be.
    """
    folder = Path(order["folder"])
    try:
        copy(order["copied"])
        options = replace(ScriptOptions.read(order["words"]), record=folder)
        line = CommandLine(ScriptOptions.program(), *parts(order["words"]))
        return run.run(options, line, {**order["tags"], "config_hash": order["identity"]})
    except (LenetExpError, OSError) as error:
        with contextlib.closing(Journal(folder)) as held:
            held.append("tags", {"error": interpreter.in_a_line(wrap_os_error(error))})
        raise


def copy(copied: Mapping[str, str]) -> None:
    """Make the job's own folders, each as the person's own is now; "": none is known.

    Raises:
        DataError: something in one can't be read.
    """
    for own, source in copied.items():
        Path(own).parent.mkdir(parents=True, exist_ok=True)
        if source and Path(source).is_dir():
            try:
                shutil.copytree(source, own, symlinks=True, ignore=_no_files)
            except shutil.Error as error:
                name, _, why = error.args[0][0]
                raise DataError(name, f"can't be copied ({why})", "permission to read") from error


def _no_files(folder: str, names: Sequence[str]) -> List[str]:
    """Return what can't be copied: pipes, sockets, devices."""
    modes = {name: os.lstat(str(Path(folder, name))).st_mode for name in names}
    kinds = (stat.S_ISREG, stat.S_ISDIR, stat.S_ISLNK)
    return [name for name, mode in modes.items() if not any(kind(mode) for kind in kinds)]


if __name__ == "__main__":
    sys.exit(main())
