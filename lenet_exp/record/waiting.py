"""A sign of life: what a command is waiting for, while it prints nothing else.

On stderr, so that nobody who parses what a command prints meets it.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import itertools
import os
import shutil
import sys
import threading
import time
from typing import Callable, Iterator, List, Optional, TextIO

_EVERY = 0.1  # seconds between two turns of the sign
_SIGNS = "|/-\\"
_CLEAR = "\r\x1b[K"
_one_at_a_time = threading.Lock()  # a terminal has one last line


@contextlib.contextmanager
def waiting(
    what: str, stream: Optional[TextIO] = None, said_on_a_pipe: bool = False
) -> Iterator[Callable[[str], None]]:
    """Show a moving sign and `what` as long as the block lasts, and take both away at its end.

    Only on a terminal; elsewhere one line if `said_on_a_pipe`. Inside another wait, and in a
    thread beside one, nothing. Yields a function that shows another text from then on.
    """
    shown = stream or sys.stderr
    if not _one_at_a_time.acquire(blocking=False):
        yield _nothing
        return
    try:
        if not shown.isatty() or os.environ.get("TERM") == "dumb":  # takes no line back
            if said_on_a_pipe:
                _write(shown, f"{what} ...\n")
            yield _nothing
            return
        said = [what]
        with _own(shown) as out, _turning(out, said):
            yield functools.partial(said.__setitem__, 0)
    finally:
        _one_at_a_time.release()


def _nothing(text: str) -> None:
    """Show no other text: none is shown."""


@contextlib.contextmanager
def _turning(out: TextIO, said: List[str]) -> Iterator[None]:
    ended = threading.Event()
    thread = threading.Thread(target=_turn, args=(out, said, ended), name="waiting", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        _write(out, _CLEAR)


def _turn(out: TextIO, said: List[str], ended: threading.Event) -> None:
    begun = time.monotonic()
    for sign in itertools.cycle(_SIGNS):
        seconds = int(time.monotonic() - begun)
        text = f"{sign} {said[0]}" + (f" {seconds} s" if seconds else "")
        _write(out, f"{_CLEAR}{text[: shutil.get_terminal_size().columns - 1]}")
        if ended.wait(_EVERY):
            return


@contextlib.contextmanager
def _own(stream: TextIO) -> Iterator[TextIO]:
    """Yield a stream to the same terminal: tf_compat.quiet replaces what is behind stderr."""
    try:
        number = os.dup(stream.fileno())
    except (OSError, ValueError):  # no file behind it
        yield stream
        return
    with os.fdopen(number, "w", encoding=stream.encoding, errors="replace") as own:
        yield own


def _write(out: TextIO, text: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # a sign that nobody sees is no reason to end
        out.write(text)
        out.flush()


@contextlib.contextmanager
def loading(name: str, module: str) -> Iterator[None]:
    """Say that a library is being loaded, if its `module` isn't yet."""
    if module in sys.modules:
        yield
        return
    with waiting(f"loading {name}", said_on_a_pipe=True), importing():
        yield


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Import without garbage collection: what an import makes stays, and would be searched."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
