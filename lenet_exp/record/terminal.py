"""What a person sees: a bar or plain lines, a closing block, and commands to type."""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, TextIO

_LOG = logging.getLogger("lenet_exp")
_came_from: List[Path] = []  # where the person is, if the process left it


class Progress:
    """Progress of one run: to the terminal or pipe, and always as lines to run.log."""

    def __init__(
        self, epochs: int, steps_per_epoch: int, done: int = 0, stream: Optional[TextIO] = None
    ) -> None:
        """Show nothing yet; `done` steps were made before."""
        self._epochs = epochs
        self._steps_per_epoch = steps_per_epoch
        self._stream = stream or sys.stdout
        self._validated: Dict[str, str] = {}
        self._bar = _bar(epochs * steps_per_epoch, "step", self._stream, done)

    def say(self, text: str) -> None:
        """Print a line, above the bar if there is one."""
        _LOG.info(text)
        if self._bar is None:
            print_on(self._stream, f"{text}\n")
        else:
            self._bar.write(text, file=self._stream)

    def window(self, step: int, steps: int, loss: float, sec_per_step: float, scale: float) -> None:
        """Show the window of `steps` steps that ended with step `step` (counted from 1)."""
        epoch, place = divmod(step - 1, self._steps_per_epoch)
        line = (
            f"epoch {epoch + 1}/{self._epochs} step {place + 1}/{self._steps_per_epoch}"
            f" loss {loss:.4f} sec/step {sec_per_step:.5f}"
        )
        if scale != 1:
            line += f" loss scale {scale:g}"
        if self._bar is None:
            self.say(line)
            return
        _LOG.info(line)
        self._bar.set_description(f"epoch {epoch + 1}/{self._epochs}", refresh=False)
        shown = {"loss": f"{loss:.4f}", "sec/step": f"{sec_per_step:.5f}", **self._validated}
        self._bar.set_postfix(shown, refresh=False)
        self._bar.update(steps)

    def validation(self, epoch: int, accuracy: float) -> None:
        """Show the validation accuracy after an epoch (counted from 1)."""
        self._validated = {"validation": f"{accuracy:.4f}"}
        self.say(f"epoch {epoch}/{self._epochs} validation accuracy {accuracy:.4f}")

    def close(self) -> None:
        """Leave the bar as it stands; may be called again."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def print_on(stream: TextIO, text: str) -> None:
    """Print at once; where nobody reads on (`| head`), go on without a word."""
    try:
        print(text, end="", file=stream, flush=True)
    except BrokenPipeError:
        stop_printing()


def stop_printing() -> None:
    """Let what is printed from here on go nowhere, Python's own last flush too."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _bar(total: int, unit: str, stream: TextIO, done: int = 0) -> Any:
    """Return a bar of tqdm; None where no terminal would show it."""
    if not getattr(stream, "isatty", lambda: False)():
        return None
    from tqdm import tqdm  # noqa: PLC0415 - only where there is a terminal

    shown = {"total": total, "initial": done, "unit": unit, "file": stream}
    return tqdm(**shown, dynamic_ncols=True, smoothing=0.1)


@contextmanager
def fetch_progress(stream: Optional[TextIO] = None) -> Iterator[Callable[[str, float], None]]:
    """Yield what shows the share done (0 to 1) of the named thing that is being fetched."""
    out = stream or sys.stderr
    said: List[str] = []
    bars: List[Any] = []  # made at the first call: mostly there is nothing to fetch

    def show(name: str, share: float) -> None:
        if not bars:
            bars.append(_bar(100, "%", out))
        if bars[0] is not None:
            bars[0].set_description(f"MNIST: {name}", refresh=False)
            bars[0].n = int(100 * share)
            bars[0].refresh()
        elif name not in said:
            said.append(name)
            print(f"fetching MNIST: {name}", file=out, flush=True)

    try:
        yield show
    finally:
        for bar in filter(None, bars):
            bar.close()


def closing_block(
    accuracy: float, sec_per_step: float, folder: Path, run_id: str, next_commands: List[str]
) -> str:
    """Return the last lines of a run; each of `next_commands` can be typed as it stands."""
    lines = [
        f"accuracy {accuracy:.4f} on all test images",
        f"sec/step {sec_per_step:.5f}",
        f"folder   {folder}",
        f"run      {run_id}\n",
    ]
    return "\n  ".join(["", *lines, *next_commands])


def next_commands(ui: str) -> List[str]:
    """Return what to type next: activate this environment if `ui` is a command that needs it."""
    script = Path(sys.prefix, "bin", "activate")
    python = shutil.which("python")
    is_active = python is not None and Path(python).parent == script.parent
    if not ui.startswith("mlflow ") or is_active or not script.exists():
        return [ui]
    with suppress(ValueError):
        script = script.relative_to(Path.cwd())
    return [f"source {shlex.quote(str(script))}", ui]


def go_to(folder: Path) -> None:
    """Make `folder` current; commands are still printed for where the person is."""
    _came_from.append(Path.cwd())
    os.chdir(str(folder))


def _here() -> Path:
    return _came_from[0] if _came_from else Path.cwd()


def resume_command(folder: Path) -> str:
    """Return what goes on with the run in `folder`."""
    return f"python -m lenet_exp.run resume={shlex.quote(str(short(folder)))}"


def upload_command(folder: Path) -> str:
    """Return what tells the store of the run in `folder`."""
    return f"python -m lenet_exp.upload run={shlex.quote(str(short(folder)))}"


def change_folder() -> List[str]:
    """Return what leads a person to where this run works; nothing if they are there."""
    return [] if Path.cwd() == _here() else [f"cd {shlex.quote(str(Path.cwd()))}"]


def short(path: Path) -> Path:
    """Return a path as it is typed from where the person is."""
    try:
        return path.relative_to(_here())
    except ValueError:
        return path
