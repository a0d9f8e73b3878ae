"""python -m lenet_exp.sweep.job: one job, in a process of its own.

Started by a sweep only, which writes the order as a line of JSON to the standard input and keeps
that open: its end means that the launching process has ended, whatever ended it.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any, Dict

from lenet_exp.config import literals
from lenet_exp.config.compose import resolve
from lenet_exp.experiment import resume
from lenet_exp.experiment.summary import announcement
from lenet_exp.record.store.lease import Lease
from lenet_exp.record.terminal import leave, say
from lenet_exp.sweep.executors.ordered import end_with_the_sweep, exit_code


def main() -> int:
    """Run the job that was ordered; return the exit code."""
    return exit_code(_run)


def _run(order: Dict[str, Any]) -> int:
    end_with_the_sweep(sys.stdin.fileno(), lambda: os.kill(os.getpid(), signal.SIGKILL))
    sys.argv = order["argv"]  # what was typed is recorded
    folder = Path(order["folder"])
    lease = Lease(folder, order["attempt"], order["lease"])
    lease.check()
    resume.log_to(folder)
    settings = resolve(literals.config_of(order["settings"]))
    say(announcement(settings))
    from lenet_exp.experiment.run import run_experiment  # noqa: PLC0415 - TensorFlow

    run_experiment(settings, folder, order["tags"], order["cores"], lease)
    return 0


if __name__ == "__main__":
    leave(main())
