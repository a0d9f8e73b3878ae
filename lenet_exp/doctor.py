"""python -m lenet_exp.doctor: what this machine lacks for a run, and the remedy for each.

Exits with 0 if nothing is missing, else with 1.
"""

from __future__ import annotations

import sys
from typing import Optional, Sequence

from lenet_exp.errors import ConfigError

_PROGRAM = "python -m lenet_exp.doctor"


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Print a line for each thing that was looked at; return the exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    if words in (["-h"], ["--help"]):
        print(__doc__, end="")
        return 0
    if words:
        print(f"lenet-exp: {ConfigError(words[0], None, 'no argument', _PROGRAM)}", file=sys.stderr)
        return 2
    from lenet_exp.commands import doctor  # noqa: PLC0415 - what fails there is told

    missing = 0
    try:
        for found in doctor.examine():
            missing += found.level == doctor.MISSING
            print(f"{found.level:8} {found.what:16} {found.told}", flush=True)
            if found.remedy:
                print(f"{'':8} try: {found.remedy}", flush=True)
    except KeyboardInterrupt:
        print("lenet-exp: interrupted", file=sys.stderr)
        return 130
    print(f"\n{missing or 'nothing'} missing" + ("" if missing else ": python -m lenet_exp.run"))
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
