"""python -m lenet_exp.upload run=RUN [tracking.uri=URI]: tell a store of a run that it lacks."""

from __future__ import annotations

import sys

from lenet_exp import cli
from lenet_exp.config.cli.recorded_options import UploadOptions

main = cli.command(__doc__, UploadOptions)


if __name__ == "__main__":
    sys.exit(main())
