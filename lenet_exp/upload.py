"""python -m lenet_exp.upload run=RUN [tracking.uri=URI]: tell a store of a run that it lacks."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Optional, Sequence

from lenet_exp import cli


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Upload one run; return the exit code."""
    return cli.main("upload", __doc__, argv, _upload, keys=["tracking.uri"])


def _upload(folder: Path, elsewhere: Optional[str]) -> int:
    from lenet_exp.commands.upload import upload  # noqa: PLC0415 - MLflow

    done = upload(folder, elsewhere)
    for line in done.said:
        print(line)
    if done.before != done.run_id:
        print(f"the store had no run {done.before}; it is recorded anew")
    print(f"run {done.run_id} is complete\n  {done.ui}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
