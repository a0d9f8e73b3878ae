"""python -m lenet_exp.rerun run=RUN: repeat a recorded run; did the same bits come out?"""

from __future__ import annotations

import sys

from lenet_exp import cli
from lenet_exp.config.cli.recorded_options import RerunOptions

main = cli.command(__doc__, RerunOptions)


if __name__ == "__main__":
    sys.exit(main())
