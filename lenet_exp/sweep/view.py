"""What a person sees of a sweep: a table of jobs on a terminal, plain lines elsewhere."""

from __future__ import annotations

import shutil
import sys
import time
from typing import Iterable, Iterator, List, NamedTuple, Optional, Sequence, TextIO, TypeVar

from lenet_exp.record.terminal import print_on

_EVERY = 0.5  # seconds between two drawings
_SELDOM = 10.0  # seconds between two lines that stay
_ORDER = ("running", "failed", "waiting", "stopped", "finished", "kept")
_CLEAR = "\x1b[J"  # from the cursor on


_Item = TypeVar("_Item")


def followed(
    items: Sequence[_Item], doing: str, stream: Optional[TextIO] = None
) -> Iterator[_Item]:
    """Yield the items; where that takes long, say how many are done."""
    out = stream or sys.stderr
    live = out.isatty()
    last = time.monotonic()
    for done, item in enumerate(items):
        now = time.monotonic()
        if now - last > (_EVERY if live else _SELDOM):
            last = now
            text = f"{doing} {done}/{len(items)}"
            print_on(out, f"\r{text}{_CLEAR}" if live else f"{text}\n")
        yield item
    if live:
        print_on(out, f"\r{_CLEAR}")


class JobRow(NamedTuple):
    """A job as the table shows it; what is not known yet is None."""

    delta: str
    state: str
    step: int
    steps: int
    loss: Optional[float]
    accuracy: Optional[float]
    seconds_left: Optional[float]


class View:
    """The screen during a sweep."""

    def __init__(self, stream: Optional[TextIO] = None) -> None:
        self._stream = stream or sys.stdout
        self._live = bool(self._stream.isatty())
        self._drawn = 0  # lines of the table on the screen
        self._last = 0.0

    def say(self, text: str) -> None:
        """Print lines that stay, above the table."""
        print_on(self._stream, f"{self._erase()}{text}\n")

    def show(self, rows: Iterable[JobRow], now: bool = False) -> None:
        """Draw the table anew, on a terminal and if it is time; else `rows` aren't asked for."""
        if not self._live or not (now or time.monotonic() - self._last > _EVERY):
            return
        self._last = time.monotonic()
        size = shutil.get_terminal_size()
        lines = [line[: size.columns - 1] for line in table([*rows], size.lines - 3)]
        self.say("\n".join(lines))
        self._drawn = len(lines)

    def _erase(self) -> str:
        lines, self._drawn = self._drawn, 0
        return f"\x1b[{lines}A\r{_CLEAR}" if lines else ""


def table(rows: Sequence[JobRow], most: int) -> List[str]:
    """Return the table's lines, at most `most`: what runs first, then what failed, then others."""
    counts = [(sum(row.state == state for row in rows), state) for state in _ORDER]
    summary = ", ".join(f"{count} {state}" for count, state in counts if count)
    ordered = sorted(rows, key=lambda row: _ORDER.index(row.state))
    shown = ordered if len(ordered) <= most - 2 else ordered[: max(1, most - 3)]
    width = max([3, *(min(40, len(row.delta)) for row in shown)])
    head = f"{'job':{width}}  {'state':8}  {'step':>15}  {'loss':>8}  {'accuracy':>8}  {'left':>8}"
    lines = [head, *(_line(row, width) for row in shown)]
    if len(shown) < len(rows):
        lines.append(f"... and {len(rows) - len(shown)} more")
    return [*lines, summary]


def _line(row: JobRow, width: int) -> str:
    step = f"{row.step}/{row.steps}" if row.steps else str(row.step)
    loss, accuracy = ("" if v is None else f"{v:.4f}" for v in (row.loss, row.accuracy))
    left = "" if row.seconds_left is None else duration(row.seconds_left)
    name = row.delta if len(row.delta) <= width else "..." + row.delta[3 - width :]
    return f"{name:{width}}  {row.state:8}  {step:>15}  {loss:>8}  {accuracy:>8}  {left:>8}"


def duration(seconds: float) -> str:
    """Return seconds as 0:07, 12:30 or 3:02:05."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
