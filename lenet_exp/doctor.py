"""python -m lenet_exp.doctor: what this machine lacks for a run, and the remedy for each.

Exits with 0 if nothing is missing, else with 1.
"""

from lenet_exp.errors import end_quietly

if __name__ == "__main__":
    end_quietly()  # until the lines below are imported

from lenet_exp.cli import command
from lenet_exp.config.cli.options import Options


class DoctorOptions(Options):
    """None."""

    VERB = "doctor"


main = command(__doc__, DoctorOptions)

if __name__ == "__main__":
    raise SystemExit(main())
