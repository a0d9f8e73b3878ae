"""python -m lenet_exp.sweep NAME: how far a sweep is, from any host, while it runs or after.

NAME  of a sweep in ./multirun, or latest
"""

import re
import sys
from typing import Optional, Sequence

from lenet_exp.errors import end_quietly

if __name__ == "__main__":
    end_quietly()  # until the lines below are imported

from lenet_exp.cli import command
from lenet_exp.config.cli.recorded_options import SweepOptions
from lenet_exp.record.terminal import leave

_main = command(__doc__, SweepOptions)


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Print it of the sweep that a bare word, or sweep=NAME, names; return the exit code."""
    words = sys.argv[1:] if argv is None else argv
    return _main([f"sweep={word}" if re.fullmatch("[^-=][^=]*", word) else word for word in words])


if __name__ == "__main__":
    leave(main())
