"""A script or a module run as Python itself runs it, in this process."""

from __future__ import annotations

import contextlib
import os
import pkgutil
import re
import runpy
import signal
import sys
import threading
import traceback
import types
from pathlib import Path
from typing import Any, Callable, List, NamedTuple, NoReturn, Optional, Sequence

from lenet_exp.config.passwords import without_password
from lenet_exp.errors import LenetExpError

Mend = Callable[[LenetExpError], LenetExpError]
_PACKAGE = re.escape(str(Path(__file__).resolve().parents[1]))
# A frame: the line of the file, and what is further in below it.
_OURS = re.compile(
    rf'^( *)File "(?:{_PACKAGE}/|(?:[^"\n]*/)?runpy\.py"|<frozen runpy>").*\n(?:\1 +.*\n)*',
    re.MULTILINE,
)


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
_raised: List[EnoughStepsError] = []  # in the main thread, of this script


def end_with_enough_steps() -> NoReturn:
    """End the script: from a thread of its too, for which its main thread may wait.

    A script that catches everything is ended at its next step.

    Raises:
        EnoughStepsError: in the main thread.
        SystemExit: in another, which ends by it in silence.
    """
    main = threading.main_thread()
    if threading.current_thread() is main or main.ident is None:
        _raise_enough()
    signal.pthread_kill(main.ident, _ENOUGH)
    raise SystemExit


def _enough(number: int, frame: Any) -> None:
    _raise_enough()


def _raise_enough() -> NoReturn:
    if _raised:
        flush()
        os._exit(0)
    _raised.append(EnoughStepsError())
    raise _raised[0]


def run_file(path: str, arguments: Sequence[str], mended: Mend = lambda error: error) -> Ended:
    """Run a file as `python PATH ARGUMENTS` does; `mended` gives an error of ours its remedy."""
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

    return _ended(work, mended)


def run_module(name: str, arguments: Sequence[str], mended: Mend = lambda error: error) -> Ended:
    """Run a module as `python -m NAME ARGUMENTS` does; `mended` as for a file."""
    sys.argv = [name, *arguments]
    sys.path[0] = os.getcwd()  # noqa: PTH109 - as Python has it
    return _ended(lambda: runpy.run_module(name, run_name="__main__", alter_sys=True), mended)


def _ended(work: Callable[[], Any], mended: Mend) -> Ended:
    try:
        _raised.clear()
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
        _tell(without_password(f"lenet-exp: {mended(error)}\n"))
        return Ended(error.exit_code, error=in_a_line(error))
    except Exception as error:  # noqa: BLE001 - a script's own: shown as Python shows it
        _show(*sys.exc_info())
        return Ended(1, error=in_a_line(error))
    return Ended(0)


def in_a_line(error: Exception) -> str:
    """Return an error's kind and its first line; of ours the words alone."""
    kind = "" if isinstance(error, LenetExpError) else f"{type(error).__name__}: "
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - a class of the script's
        text = "its text can't be had"
    return kind + " ".join(text.split("\n", maxsplit=1)[0].split())[:300]


def _of(code: Any) -> int:
    """Return the exit code of a SystemExit, saying what is no number."""
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    _tell(f"{code}\n")
    return 1


def flush() -> None:
    """Have what was printed on its way; a script may have put anything in the streams' place."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()


def _tell(text: str) -> None:
    """Print on the error output, on the process's own where the script's takes nothing."""
    for stream in filter(None, (sys.stderr, sys.__stderr__)):
        with contextlib.suppress(Exception):
            stream.write(text)
            return


def _show(kind: Any, error: Any, trace: Optional[types.TracebackType]) -> None:
    """Print a traceback without the frames of what runs the script."""
    while trace is not None and _is_ours(trace):
        trace = trace.tb_next
    if trace is None and kind is ImportError:  # runpy's: there is no such module
        _tell(f"{sys.executable}: {error}\n")
        return
    if sys.excepthook is not sys.__excepthook__ and kind is not KeyboardInterrupt:
        with contextlib.suppress(Exception):
            sys.excepthook(kind, error, trace)
            return
    _tell(without_ours("".join(traceback.format_exception(kind, error, trace))))


def _is_ours(trace: types.TracebackType) -> bool:
    return _OURS.match(f'File "{trace.tb_frame.f_code.co_filename}",\n') is not None


def without_ours(text: str) -> str:
    """Return a traceback without the frames of what runs the script; TensorFlow tells some, too."""
    return _OURS.sub("", text)
