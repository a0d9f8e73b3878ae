"""python -m lenet_exp.upload run=RUN [tracking.uri=URI]: tell a store of a run that it lacks."""

from lenet_exp.errors import end_quietly

if __name__ == "__main__":
    end_quietly()  # until the lines below are imported

from lenet_exp.cli import command
from lenet_exp.config.cli.recorded_options import UploadOptions
from lenet_exp.record.terminal import leave

main = command(__doc__, UploadOptions)

if __name__ == "__main__":
    leave(main())
