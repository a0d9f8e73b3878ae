"""python -m lenet_exp.fetch_mnist: put the four verified MNIST files into the cache."""

from __future__ import annotations

import sys
from typing import Optional, Sequence

from lenet_exp.data.download import fetch
from lenet_exp.data.files import cache_folder
from lenet_exp.errors import ConfigError, LenetExpError
from lenet_exp.record.terminal import fetch_progress


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Fetch what is missing; return the exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    program = "python -m lenet_exp.fetch_mnist"
    try:
        if words in (["-h"], ["--help"]):
            print(f"{program}\n  {__doc__.split(': ')[1]}\n  LENET_EXP_DATA=DIR chooses the folder")
            return 0
        if words:
            raise ConfigError(words[0], None, "no argument; LENET_EXP_DATA=DIR", program)
        folder = cache_folder()
        with fetch_progress() as progress:
            fetched = fetch(folder, progress)
    except LenetExpError as error:
        print(f"lenet-exp: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("lenet-exp: interrupted; what was fetched whole is kept", file=sys.stderr)
        return 130
    print(f"{len(fetched)} files fetched, 4 verified in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
