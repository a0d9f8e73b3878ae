"""MNIST, verified, into the cache."""

from __future__ import annotations

import sys

from lenet_exp.config.cli.options import Options
from lenet_exp.data.download import fetch
from lenet_exp.data.files import cache_folder
from lenet_exp.record.terminal import fetch_progress


def main(options: Options) -> int:
    """Fetch what is missing; what is there whole is kept, however this ends."""
    folder = cache_folder()
    try:
        with fetch_progress() as progress:
            fetched = fetch(folder, progress)
    except KeyboardInterrupt:
        print("lenet-exp: interrupted; what was fetched whole is kept", file=sys.stderr)
        return 130
    print(f"{len(fetched)} files fetched, 4 verified in {folder}")
    return 0
