"""python -m lenet_exp.script path=FILE [KEY=VALUE ...] -- ARGUMENTS: run anybody's script as it is.

What its sessions would run on an Ascend 910 is computed as the chip does under a precision mode;
npu_bridge need not be there. Variables, data and files stay the script's own.

path=FILE | module=NAME       the script; what follows -- are its own arguments
precision=MODE                instead of what the script asks
precision.keep_dtype=[NAME]   also precision.modify_mixlist=FILE, precision.customize_dtypes=FILE
precision.trace_overflow=true which operator overflows first, and what float16 makes of gradients
on_refused=error              end where something can't be emulated, or the chip would refuse it
steps=N                       end it after so many steps of training
metric=NAME                   the fetched number to record as loss
capture=DIR                   write the graph, a checkpoint and feeds there
record=DIR                    the folder of the record; tracking.experiment= and tracking.uri= as
                              of a run, tracking.uri=none for the folder alone

-m precision=MODE,MODE        a sweep: a job, a process and a record for each; keep_dtype and the
                              files of precision may have several values, too
out=NAME                      the script's argument NAME is a folder: each job has a copy
sweep=NAME                    its name: the same name again goes on with it; also dry_run=true and
                              fail_fast=true
"""

from __future__ import annotations

import sys
from typing import Optional, Sequence

from lenet_exp.errors import end_quietly

if __name__ == "__main__":
    end_quietly()  # until the lines below are imported

from lenet_exp import cli
from lenet_exp.config.cli import versions
from lenet_exp.config.cli.mend import CommandLine
from lenet_exp.config.cli.script_options import ScriptOptions, parts, sweeps

_REMEDY = "room and permission there, then the same command"


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run a script; return its exit code."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    ours, own = parts(arguments)
    if versions.FLAG in ours:
        return cli.exit_code(versions.show)
    if not ours or {"-h", "--help"} & {*ours}:
        return cli.exit_code(lambda: print(__doc__, end="") or 0)
    line = CommandLine(ScriptOptions.program(), ours, own)
    if sweeps(arguments):
        return cli.exit_code(lambda: _sweep(arguments), _REMEDY, line)
    return cli.exit_code(lambda: _run(ScriptOptions.read(arguments), line), _REMEDY, line)


def _run(options: ScriptOptions, line: CommandLine) -> int:
    from lenet_exp.script import refusals, run  # noqa: PLC0415 - numpy

    refusals.check_store(options)  # of a sweep's job not: its server may be away for a while
    return run.run(options, line)


def _sweep(arguments: Sequence[str]) -> int:
    jobs = ScriptOptions.read_jobs(arguments)
    from lenet_exp.script.sweep import sweep  # noqa: PLC0415 - MLflow

    return sweep.main(jobs, arguments)


if __name__ == "__main__":
    sys.exit(main())
