"""python -m lenet_exp.upload run=RUN: tell the tracking store of a run that it lacks."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Optional, Sequence

from lenet_exp.errors import ConfigError, LenetExpError, told
from lenet_exp.record import run_folders

PROGRAM = "python -m lenet_exp.upload run=latest"


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Upload one run; return the exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    if words in (["-h"], ["--help"]):
        print(f"{__doc__}\n\n  RUN is a run folder, a run id, or latest")
        return 0
    try:
        folder = run_folders.find("run", _named(words), Path.cwd())
        from lenet_exp.record.upload import upload  # noqa: PLC0415 - MLflow

        done = upload(folder)
    except (LenetExpError, OSError) as error:
        print(f"lenet-exp: {told(error)}", file=sys.stderr)
        return told(error).exit_code
    except KeyboardInterrupt:
        print("lenet-exp: interrupted; the same command goes on", file=sys.stderr)
        return 130
    if done.before != done.run_id:
        print(f"the store had no run {done.before}; it is recorded anew")
    print(f"run {done.run_id} is complete\n  {done.ui}")
    return 0


def _named(words: Sequence[str]) -> str:
    if len(words) == 1 and words[0].startswith("run=") and words[0] != "run=":
        return words[0].partition("=")[2]
    allowed = "run=FOLDER, run=ID or run=latest, and nothing else"
    raise ConfigError(" ".join(words) or "no run", None, allowed, PROGRAM)


if __name__ == "__main__":
    sys.exit(main())
