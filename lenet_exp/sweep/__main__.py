"""python -m lenet_exp.sweep NAME: how far a sweep is, from any host, while it runs or after.

NAME  of a sweep in ./multirun, or latest
"""

from lenet_exp.errors import end_quietly

if __name__ == "__main__":
    end_quietly()  # until the lines below are imported

from lenet_exp.cli import command
from lenet_exp.config.cli.recorded_options import SweepOptions
from lenet_exp.record.terminal import leave

main = command(__doc__, SweepOptions)

if __name__ == "__main__":
    leave(main())
