"""What the commands about one recorded run have in common: run=RUN, help, errors in words."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Callable, Optional, Sequence

from lenet_exp.errors import ConfigError, LenetExpError, Terminated, told
from lenet_exp.record import run_folders


def main(
    verb: str, about: Optional[str], argv: Optional[Sequence[str]], work: Callable[[Path], int]
) -> int:
    """Call `work` with the run folder that the command line names; return the exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    if words in (["-h"], ["--help"]):
        print(f"{about}\n\n  RUN is a run folder, a run id, or latest")
        return 0
    try:
        return work(run_folders.find("run", _named(verb, words), Path.cwd()))
    except (LenetExpError, OSError) as error:
        print(f"lenet-exp: {told(error)}", file=sys.stderr)
        return told(error).exit_code
    except KeyboardInterrupt:
        print("lenet-exp: interrupted", file=sys.stderr)
        return 130
    except Terminated:
        print("lenet-exp: terminated", file=sys.stderr)
        return 143


def _named(verb: str, words: Sequence[str]) -> str:
    if len(words) == 1 and words[0].startswith("run=") and words[0] != "run=":
        return words[0].partition("=")[2]
    allowed = "run=FOLDER, run=ID or run=latest, and nothing else"
    command = f"python -m lenet_exp.{verb} run=latest"
    raise ConfigError(" ".join(words) or "no run", None, allowed, command)
