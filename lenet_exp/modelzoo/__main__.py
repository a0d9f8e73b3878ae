"""python -m lenet_exp.modelzoo: train by the command line of the ModelZoo's LeNet_ID0127.

python -m lenet_exp.modelzoo [case=full|performance] --data_path=DIR [--FLAG=VALUE ...]

scripts/train_full_1p.sh and train_performance_1p.sh call it with their case. It leaves the
ModelZoo's files in output/, and a run like any other. case=lenet, as where flags stand alone, has
the defaults of the ModelZoo's LeNet.py. Without any argument this text is shown.

  output=DIR project=DIR   where the files go, and whose outputs/ and store the run is in
  KEY=VALUE                any setting of python -m lenet_exp.run besides

"""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import List, Optional, Sequence

from lenet_exp.errors import end_quietly

if __name__ == "__main__":
    end_quietly()  # until the lines below are imported

from lenet_exp import cli
from lenet_exp.config.cli import versions
from lenet_exp.config.cli.command_line import check_command_line
from lenet_exp.config.cli.mend import CommandLine
from lenet_exp.config.schema.run import Settings
from lenet_exp.errors import ConfigError
from lenet_exp.modelzoo import flags, own_paths


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Train as the ModelZoo's command line asks; return the exit code."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    if versions.FLAG in arguments:
        return cli.exit_code(versions.show)
    wants_help = not arguments or {"-h", "--help"} & {*arguments}
    work = _help if wants_help else lambda: _train(arguments)
    line = None if wants_help else CommandLine(flags.PROGRAM, flags.joined(arguments))
    return cli.exit_code(work, "room and permission there, then the same command", line)


def _help() -> int:
    print(__doc__, end="")
    for name, flag in flags.FLAGS.items():
        print(f"  --{name:<18} {flag.allowed}\n      {flag.help}")
    return 0


def _train(arguments: Sequence[str]) -> int:
    command = flags.read(arguments)
    chip = importlib.util.find_spec("npu_bridge") is not None and "hardware=cpu" not in arguments
    of_run = flags.run_arguments(command, chip)
    settings = _checked(command, of_run)
    of_run += own_paths.from_here(settings)
    from lenet_exp.modelzoo import case  # noqa: PLC0415 - numpy

    device = os.environ.get("ASCEND_DEVICE_ID") or "0"
    return case.train(command, of_run, settings.schedule.batch_size, device)


def _checked(command: flags.CommandLine, of_run: Sequence[str]) -> Settings:
    """Return the settings of the run, before anything is fetched.

    The folder of MNIST may be made then, so that it need not be there.
    """
    fetched = () if command.data is None else ("data.path=",)
    found: List[Settings] = []
    try:
        words = [word for word in of_run if not word.startswith(fetched)]
        check_command_line(words, check=lambda jobs, sweeps: found.extend(jobs))
    except ConfigError as error:
        raise flags.in_its_words(error, command) from error
    return found[0]


if __name__ == "__main__":
    sys.exit(main())
