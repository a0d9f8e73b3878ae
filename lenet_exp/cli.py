"""What commands have in common: errors in words; of those about a recorded run, run=RUN."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Callable, Dict, Optional, Sequence

from lenet_exp.errors import ConfigError, LenetExpError, Terminated, told
from lenet_exp.record.run import run_folders
from lenet_exp.record.terminal import stop_printing


def main(
    verb: str,
    about: Optional[str],
    argv: Optional[Sequence[str]],
    work: Callable[..., int],
    keys: Sequence[str] = (),
) -> int:
    """Call `work` with the run folder that the command line names; return the exit code.

    `keys` may be given besides run=, as key=value: `work` is called with their values, or None.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    if words in (["-h"], ["--help"]):
        print(f"{about}\n\n  RUN is a run folder, a run id, or latest")
        return 0

    def run() -> int:
        values = _values(verb, words, keys)
        folder = run_folders.find(f"python -m lenet_exp.{verb} run", values["run"], Path.cwd())
        return work(folder, *(values.get(key) for key in keys))

    return ended(run, f"room and permission there, then python -m lenet_exp.{verb} again")


def ended(work: Callable[[], int], remedy: str) -> int:
    """Return the exit code of `work`, or of what ended it, which is told in words.

    `remedy` is for what the system refuses: no room, no permission.
    """
    try:
        return work()
    except BrokenPipeError:  # `| head`
        stop_printing()
        return 0
    except (LenetExpError, OSError) as error:
        error = told(error, remedy)
        print(f"lenet-exp: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("lenet-exp: interrupted", file=sys.stderr)
        return 130
    except Terminated:
        print("lenet-exp: terminated", file=sys.stderr)
        return 143


def _values(verb: str, words: Sequence[str], keys: Sequence[str]) -> Dict[str, str]:
    """Return the value of each key that was given; run= is, and nothing twice."""
    pairs = [word.partition("=") for word in words]
    values = {key: value for key, _, value in pairs if value}
    if len(values) == len(words) and "run" in values and set(values) <= {"run", *keys}:
        return values
    besides = f", and {' or '.join(f'{key}=...' for key in keys)}" if keys else ", and nothing else"
    allowed = f"run=FOLDER, run=ID or run=latest{besides}"
    command = f"python -m lenet_exp.{verb} run=latest"
    raise ConfigError(" ".join(words) or "no run", None, allowed, command)
