"""What can go wrong through no fault of ours, with what a person can do about it.

The exit code is 2 where what was typed or named is wrong, and 1 where something else failed.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from types import TracebackType
from typing import List, NoReturn, Optional, Sequence, Type, Union


class LenetExpError(Exception):
    """A failure that is said in words, never as a traceback."""

    exit_code = 1


class ConfigError(LenetExpError):
    """A setting is not possible: says which, what is allowed, and a command that works."""

    exit_code = 2

    def __init__(self, key: str, value: object, allowed: str, remedy: str) -> None:
        # Exception pickles by args: hand over all four.
        super().__init__(key, value, allowed, remedy)

    def __str__(self) -> str:
        key, value, allowed, remedy = self.args
        given = key if value is None else f"{key}={value}"
        return f"{given} is not possible.\n  allowed: {allowed}\n  try:     {remedy}"


_PREDICATE = re.compile(r"(is|was|has|holds|can't|could|does|doesn't|needs|lacks)\b")


def _sentence(what: str, problem: str) -> str:
    """Return both in one line; with a name in words, such as: experiment mine, a whole sentence."""
    in_words = " " in what and "/" not in what
    return f"{what}{'' if in_words and _PREDICATE.match(problem) else ':'} {problem}"


class UsageError(ConfigError):
    """A command line lacks something, or can't be read as a whole.

    `key` is what is spoken of, and `value` what is wrong with it, in words.
    """

    def __str__(self) -> str:
        what, problem, allowed, remedy = self.args
        return f"{_sentence(what, problem)}\n  allowed: {allowed}\n  try:     {remedy}"


class _ProblemError(LenetExpError):
    """Something named has a problem that has a remedy."""

    def __init__(self, what: object, problem: str, remedy: str) -> None:
        super().__init__(str(what), problem, remedy)

    def __str__(self) -> str:
        what, problem, remedy = self.args
        return f"{_sentence(what, problem)}\n  try: {remedy}"


class _InputError(_ProblemError):
    """What a person named is not what it should be."""

    exit_code = 2


class DataError(_InputError):
    """A data file is missing, unreadable or not what it should be."""


class GraphError(_InputError):
    """A graph lacks a node that was named, or has an edge from nowhere."""


class PrecisionError(_InputError):
    """A precision mode, a list of operators or a table of types is wrong."""


class WordError(PrecisionError):
    """A word of a key of explain is wrong.

    `keys` are the keys it may be typed under, `word` as it is typed, None for all of a value;
    `good` is the word instead, None where there is none but the line works without this one.
    """

    def __init__(
        self,
        what: object,
        problem: str,
        remedy: str,
        keys: Sequence[str] = (),
        word: Optional[str] = None,
        good: Optional[str] = None,
    ) -> None:
        super().__init__(what, problem, remedy)
        self.keys, self.word, self.good = tuple(keys), word, good


class StoreError(_InputError):
    """The tracking store can't be used, or using it would harm another one."""


class PlaceError(_InputError):
    """A run could not write where it would be made, recorded or keep its data."""


class WriteError(_ProblemError):
    """A file or folder of the run could not be written."""


class FetchError(_ProblemError):
    """MNIST could not be fetched, or the cache could not be written."""


class EngineError(_ProblemError):
    """What starts jobs on other machines refuses, or one of them lacks what a job needs."""


class LeaseLostError(LenetExpError):
    """Another attempt at a job has its folder, so that this process may write no more of it."""

    def __init__(self, folder: object, attempt: int, holder: object) -> None:
        super().__init__(str(folder), attempt, holder)

    def __str__(self) -> str:
        folder, attempt, holder = self.args
        return f"attempt {attempt} at {folder} was given up, and attempt {holder} has it"


class LeaseUnreadableError(_ProblemError):
    """Nobody can say now whether another attempt at a job has its folder; a further try may."""

    exit_code = os.EX_TEMPFAIL


class HardwareError(_ProblemError):
    """No session could be opened on the chosen hardware."""


class JobsFailedError(LenetExpError):
    """Jobs of a sweep failed: says how many; which and why was printed when they did."""

    def __init__(self, failed: int, jobs: int) -> None:
        super().__init__(failed, jobs)

    def __str__(self) -> str:
        return "{} of {} jobs failed".format(*self.args)


class Terminated(BaseException):
    """SIGTERM. Not an Exception: nothing but the record may catch it on its way out."""


def _terminate(number: int, frame: object) -> NoReturn:
    raise Terminated


def is_ours(handler: object) -> bool:
    """Return whether `handle_signals` has set this handler of SIGTERM and SIGHUP."""
    return handler is _terminate


def _interrupt(number: int, frame: object) -> NoReturn:
    _interrupts.append(number)  # an import may swallow the exception
    raise KeyboardInterrupt


_interrupts: List[int] = []


def end_quietly() -> None:
    """Have a Ctrl-C end this process without a traceback, until `handle_signals` is called.

    For what is imported before that: it leaves nothing half done. A Python that lacks a package is
    told so in words, whenever that shows.
    """
    sys.excepthook = _say_what_is_missing
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _quit)


def _say_what_is_missing(
    kind: Type[BaseException], error: BaseException, trace: Optional[TracebackType]
) -> None:
    package = str(getattr(error, "name", "")).partition(".")[0]
    if not isinstance(error, ModuleNotFoundError) or package in ("lenet_exp", ""):
        sys.__excepthook__(kind, error, trace)
        return
    print(
        f"lenet-exp: {sys.executable} has no {package}\n"
        "  try: `make setup` and the line that it prints; python -m lenet_exp.doctor tells more",
        file=sys.stderr,
    )


def _quit(number: int, frame: object) -> NoReturn:
    os.write(2, b"lenet-exp: interrupted\n")
    os._exit(130)


def stop_if_interrupted() -> None:
    """Raise KeyboardInterrupt if a Ctrl-C came that something swallowed."""
    if _interrupts:
        raise KeyboardInterrupt


def handle_signals() -> None:
    """Have SIGTERM, Ctrl-C and a terminal that closes end everything in order.

    What a shell or nohup has ignored stays ignored.
    """
    signal.signal(signal.SIGTERM, _terminate)
    for number, handler in ((signal.SIGHUP, _terminate), (signal.SIGINT, _interrupt)):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def wrap_os_error(error: Union[LenetExpError, OSError], remedy: str = "") -> LenetExpError:
    """Return what the system refused (no space, no permission) as one of ours, others as is."""
    if isinstance(error, LenetExpError):
        return error
    what, problem = error.filename or "the run folder", error.strerror or str(error)
    elsewhere = "python -m lenet_exp.run hydra.run.dir=DIR\n       DIR is a folder with room"
    return WriteError(what, problem, remedy or elsewhere)
