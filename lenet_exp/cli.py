"""What every command has in common: its help, its body loaded late, errors in words, exit codes."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any, Callable, Dict, Optional, Sequence, Type

from lenet_exp import tf_compat
from lenet_exp.config.cli import versions
from lenet_exp.config.cli.blanks import check_equals_signs
from lenet_exp.config.cli.mend import CommandLine
from lenet_exp.config.cli.options import Options
from lenet_exp.config.cli.recorded_options import RecordedRun
from lenet_exp.config.passwords import without_password
from lenet_exp.errors import LenetExpError, Terminated, handle_signals, wrap_os_error
from lenet_exp.record.terminal import print_any_text, stop_printing
from lenet_exp.record.waiting import loading

_RUN = "\n\n  RUN is a run folder, a run id, or latest\n"


def command(about: Optional[str], options: Type[Options]) -> Callable[..., int]:
    """Return the `main` of a command: of its arguments, or sys.argv's, to its exit code.

    Args:
        about: its help.
        options: what its arguments may ask. Its body is `main` of lenet_exp.commands.VERB,
            or of the module BODY.
    """

    def main(argv: Optional[Sequence[str]] = None) -> int:
        arguments = sys.argv[1:] if argv is None else list(argv)
        if versions.FLAG in arguments:
            return exit_code(versions.show)
        remedy = f"room and permission there, then {options.program()} again"
        if arguments in (["-h"], ["--help"]):
            of_run = _RUN if issubclass(options, RecordedRun) else ""
            return exit_code(lambda: print(f"{about}{of_run}", end="") or 0)
        line = CommandLine(options.program(), arguments)
        return exit_code(lambda: _carry_out(options.read(arguments)), remedy, line)

    return main


def _carry_out(options: Options) -> int:
    found: Dict[str, Any] = {}
    if isinstance(options, RecordedRun):
        from lenet_exp.record.run import run_folders  # noqa: PLC0415 - OmegaConf

        found["folder"] = run_folders.find(f"{options.program()} run", options.run, Path.cwd())
    # What a body imports is heavy, and nothing that a mistake has to wait for.
    body = importlib.import_module(options.BODY or f"lenet_exp.commands.{options.VERB}")
    return int(body.main(options, **found))


def exit_code(work: Callable[[], int], remedy: str = "", line: Optional[CommandLine] = None) -> int:
    """Return the exit code of `work`, or of what ended it, which is said in words.

    `remedy` is for what the system refuses: no room, no permission; `line` what was typed.
    """
    handle_signals()
    print_any_text()
    tf_compat.while_importing = lambda: loading("TensorFlow", "tensorflow")
    try:
        if line is not None:
            check_equals_signs(line.program, line.words)
        return work()
    except BrokenPipeError:  # `| head`
        stop_printing()
        return 0
    except (LenetExpError, OSError) as error:
        return refuse(wrap_os_error(error, remedy), line)
    except KeyboardInterrupt:
        print("lenet-exp: interrupted", file=sys.stderr)
        return 130
    except Terminated:
        print("lenet-exp: terminated", file=sys.stderr)
        return 143


def refuse(error: LenetExpError, line: Optional[CommandLine] = None) -> int:
    """Say an error in words, with `line` mended as its remedy; return its exit code."""
    shown = error if line is None else line.mended(error)
    print(without_password(f"lenet-exp: {shown}"), file=sys.stderr)
    return error.exit_code
