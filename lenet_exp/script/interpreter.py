"""A script or a module run as Python itself runs it, in this process."""

from __future__ import annotations

import os
import pkgutil
import runpy
import signal
import sys
import threading
import traceback
import types
from pathlib import Path
from typing import Any, Callable, NamedTuple, NoReturn, Optional, Sequence

from lenet_exp.errors import LenetExpError

_HERE = str(Path(__file__).resolve().parent)


class Ended(NamedTuple):
    """How a script ended: its exit code, the signal that ended it, if one did, or our steps.

    `error`: what it raised, in a line; "" where it left.
    """

    code: int
    signal: Optional[int] = None
    enough: bool = False
    error: str = ""


class EnoughStepsError(BaseException):
    """As many steps were made as were asked for. Not an Exception: no script may catch it."""


_ENOUGH = signal.SIGURG  # without a handler it does nothing


def end_with_enough_steps() -> NoReturn:
    """End the script: from a thread of its too, for which its main thread may wait.

    Raises:
        EnoughStepsError: in the main thread.
        SystemExit: in another, which ends by it in silence.
    """
    main = threading.main_thread()
    if threading.current_thread() is main or main.ident is None:
        raise EnoughStepsError
    signal.pthread_kill(main.ident, _ENOUGH)
    raise SystemExit


def _enough(number: int, frame: Any) -> None:
    raise EnoughStepsError


def run_file(path: str, arguments: Sequence[str]) -> Ended:
    """Run a file as `python PATH ARGUMENTS` does."""
    sys.argv = [path, *arguments]
    sys.path[0] = str(Path(path).resolve().parent)
    module = types.ModuleType("__main__")
    module.__dict__.update(__file__=path, __builtins__=__builtins__, __cached__=None)
    sys.modules["__main__"] = module

    def work() -> None:
        with Path(path).open("rb") as stream:
            code = pkgutil.read_code(stream)  # what a .pyc holds
        code = code or compile(Path(path).read_bytes(), path, "exec", dont_inherit=True)
        exec(code, module.__dict__)  # noqa: S102 - it is what a person asked for

    return _ended(work)


def run_module(name: str, arguments: Sequence[str]) -> Ended:
    """Run a module as `python -m NAME ARGUMENTS` does."""
    sys.argv = [name, *arguments]
    sys.path[0] = os.getcwd()  # noqa: PTH109 - as Python has it
    return _ended(lambda: runpy.run_module(name, run_name="__main__", alter_sys=True))


def _ended(work: Callable[[], Any]) -> Ended:
    try:
        signal.signal(_ENOUGH, _enough)
        try:
            work()
        finally:
            signal.signal(_ENOUGH, signal.SIG_IGN)
    except EnoughStepsError:
        return Ended(0, enough=True)
    except SystemExit as error:
        return Ended(_of(error.code))
    except KeyboardInterrupt:
        _show(*sys.exc_info())
        return Ended(1, signal.SIGINT)
    except LenetExpError as error:  # in words: it is not the script that is wrong
        print(f"lenet-exp: {error}", file=sys.stderr)
        return Ended(error.exit_code, error=in_a_line(error))
    except Exception as error:  # noqa: BLE001 - a script's own: shown as Python shows it
        _show(*sys.exc_info())
        return Ended(1, error=in_a_line(error))
    return Ended(0)


def in_a_line(error: Exception) -> str:
    """Return an error's kind and its first line; of ours the words alone."""
    kind = "" if isinstance(error, LenetExpError) else f"{type(error).__name__}: "
    return kind + " ".join(str(error).split("\n", maxsplit=1)[0].split())[:300]


def _of(code: Any) -> int:
    """Return the exit code of a SystemExit, saying what is no number."""
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    print(code, file=sys.stderr)
    return 1


def _show(kind: Any, error: Any, trace: Optional[types.TracebackType]) -> None:
    """Print a traceback without the frames of what runs the script."""
    while trace is not None and _is_ours(trace):
        trace = trace.tb_next
    if trace is None and kind is ImportError:  # runpy's: there is no such module
        sys.stderr.write(f"{sys.executable}: {error}\n")
        return
    if sys.excepthook is not sys.__excepthook__ and kind is not KeyboardInterrupt:
        sys.excepthook(kind, error, trace)
        return
    lines = traceback.TracebackException(kind, error, trace)
    _drop_ours(lines)
    sys.stderr.write("".join(lines.format()))


def _is_ours(trace: types.TracebackType) -> bool:
    name = trace.tb_frame.f_code.co_filename
    runs = os.path.basename(name) in ("runpy.py", "<frozen runpy>")  # noqa: PTH119
    return name.startswith(_HERE) or runs


def _drop_ours(lines: Any) -> None:
    while lines is not None:
        kept = [one for one in lines.stack if not one.filename.startswith(_HERE)]
        lines.stack[:] = kept
        lines = lines.__cause__ or lines.__context__
