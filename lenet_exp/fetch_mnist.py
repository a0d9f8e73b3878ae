"""python -m lenet_exp.fetch_mnist: put the four verified MNIST files into the cache.

LENET_EXP_DATA=DIR chooses the folder
"""

from __future__ import annotations

import sys
from typing import ClassVar

from lenet_exp import cli
from lenet_exp.config.cli.options import Options


class FetchMnistOptions(Options):
    """None."""

    VERB: ClassVar[str] = "fetch_mnist"
    NO_KEYS: ClassVar[str] = "no argument; LENET_EXP_DATA=DIR"


main = cli.command(__doc__, FetchMnistOptions)


if __name__ == "__main__":
    sys.exit(main())
