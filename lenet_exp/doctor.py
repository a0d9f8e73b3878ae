"""python -m lenet_exp.doctor: what this machine lacks for a run, and the remedy for each.

Exits with 0 if nothing is missing, else with 1.
"""

from __future__ import annotations

import sys
from typing import ClassVar

from lenet_exp import cli
from lenet_exp.config.cli.options import Options


class DoctorOptions(Options):
    """None."""

    VERB: ClassVar[str] = "doctor"


main = cli.command(__doc__, DoctorOptions)


if __name__ == "__main__":
    sys.exit(main())
