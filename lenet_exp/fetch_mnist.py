"""python -m lenet_exp.fetch_mnist: put the four verified MNIST files into the cache.

LENET_EXP_DATA=DIR chooses the folder
"""

from lenet_exp.errors import end_quietly

if __name__ == "__main__":
    end_quietly()  # until the lines below are imported

from lenet_exp.cli import command
from lenet_exp.config.cli.options import Options


class FetchMnistOptions(Options):
    """None."""

    VERB = "fetch_mnist"
    NO_KEYS = "no argument; LENET_EXP_DATA=DIR"


main = command(__doc__, FetchMnistOptions)

if __name__ == "__main__":
    raise SystemExit(main())
