"""python -m lenet_exp.rerun run=RUN: repeat a recorded run; did the same bits come out?"""

from lenet_exp.errors import end_quietly

if __name__ == "__main__":
    end_quietly()  # until the lines below are imported

from lenet_exp.cli import command
from lenet_exp.config.cli.recorded_options import RerunOptions
from lenet_exp.record.terminal import leave

main = command(__doc__, RerunOptions)

if __name__ == "__main__":
    leave(main())
