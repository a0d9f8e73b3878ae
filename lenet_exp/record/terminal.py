"""What a person sees while a run trains, a bar or plain lines, and commands to type."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import shlex
import shutil
import signal
import sys
from pathlib import Path
from typing import Any, Callable, Iterator, List, NoReturn, Optional, TextIO

from lenet_exp.record.waiting import waiting

# What matters most stands first: a narrow terminal has a shorter bar, then none of what follows.
_STEPS = "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}]"
_SHARE = "{desc} {percentage:3.0f}%|{bar}|"
_OUTPUT_LOST = 120  # the exit code of an interpreter that could not write all
_LOG = logging.getLogger("lenet_exp")
_errors: List[str] = []  # what Python does about a text that the output's encoding lacks
_came_from: List[Path] = []  # where the person is, if the process left it


class Progress:
    """Progress of one run: to the terminal or pipe, and always as lines to run.log."""

    def __init__(self, epochs: int, steps_per_epoch: int, stream: Optional[TextIO] = None) -> None:
        """Show nothing yet."""
        self._epochs = epochs
        self._steps_per_epoch = steps_per_epoch
        self._stream = stream or sys.stdout
        self._shown = self._validated = ""  # what the bar says
        self._bar: Any = None  # from the first window on
        self._wait = contextlib.ExitStack()

    def say(self, text: str) -> None:
        """Print a line, above the bar if there is one."""
        self._wait.close()
        _LOG.info(text)
        if self._bar is None:
            print_on(self._stream, f"{text}\n")
        else:
            self._bar.write(text, file=self._stream)

    def wait_for(self, what: str) -> None:
        """Show what is waited for, until anything else is shown."""
        self._wait.close()
        if self._bar is None:
            self._wait.enter_context(waiting(what))
        else:
            self._bar.set_description_str(what)

    def stop_waiting(self) -> None:
        """Take the sign away: what follows has one of its own."""
        self._wait.close()

    def window(self, step: int, steps: int, loss: float, sec_per_step: float, scale: float) -> None:
        """Show the window of `steps` steps that ended with step `step` (counted from 1)."""
        epoch, place = divmod(step - 1, self._steps_per_epoch)
        figures = f"loss {loss:.4f} sec/step {sec_per_step:.5f}"
        of_epoch = f"epoch {epoch + 1}/{self._epochs}"
        line = f"{of_epoch} step {place + 1}/{self._steps_per_epoch} {figures}"
        if scale != 1:
            line += f" loss scale {scale:g}"
        self._wait.close()
        if self._bar is None:  # what the first window took says nothing of the others
            self._bar = _bar(_STEPS, self._stream, self._epochs * self._steps_per_epoch, step)
            steps = 0
        if self._bar is None:
            self.say(line)
            return
        _LOG.info(line)
        self._bar.update(steps)
        self._shown = f"{of_epoch} {figures}"
        self._bar.set_description_str(f"{self._shown}{self._validated}")

    def validation(self, epoch: int, accuracy: float) -> None:
        """Show the validation accuracy after an epoch (counted from 1)."""
        self._validated = f" validation {accuracy:.4f}"
        if self._bar is not None:
            self._bar.set_description_str(f"{self._shown}{self._validated}", refresh=False)
        self.say(f"epoch {epoch}/{self._epochs} validation accuracy {accuracy:.4f}")

    def close(self) -> None:
        """Leave the bar as it stands; may be called again."""
        self._wait.close()
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def say(text: str) -> None:
    """Print a line, and have it in run.log."""
    _LOG.info(text)
    print_on(sys.stdout, f"{text}\n")


def print_on(stream: TextIO, text: str) -> None:
    """Print at once; where nobody reads on (`| head`), go on without a word."""
    try:
        print(text, end="", file=stream, flush=True)
    except BrokenPipeError:
        stop_printing()


def print_any_text() -> None:
    """Have names that the output's encoding lacks printed all the same, as Python escapes them."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        _errors.append("strict")
        sys.stdout.reconfigure(errors="backslashreplace")


def print_as_python() -> None:
    """Undo that: what somebody else's script prints is as without us."""
    if isinstance(sys.stdout, io.TextIOWrapper) and _errors:
        sys.stdout.reconfigure(errors=_errors.pop())


def stop_printing() -> None:
    """Let what is printed from here on go nowhere, Python's own last flush too."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def leave(code: int) -> NoReturn:
    """End this process without Python's own clean-up: TensorFlow's modules take it seconds.

    Every file is closed by now; the chip's driver alone has something left to do. A Ctrl-C has
    nothing left to end.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if "npu_bridge" in sys.modules:
        sys.exit(code)
    logging.shutdown()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = code or _OUTPUT_LOST
    os._exit(code)


def _bar(form: str, stream: TextIO, total: int, done: int = 0) -> Any:
    """Return a bar of tqdm; None where no terminal would show it."""
    if not getattr(stream, "isatty", lambda: False)():
        return None
    from tqdm import tqdm  # noqa: PLC0415 - only where there is a terminal

    shown = {"bar_format": form, "file": stream, "total": total, "initial": done}
    return tqdm(**shown, dynamic_ncols=True, smoothing=0.1)


@contextlib.contextmanager
def fetch_progress(stream: Optional[TextIO] = None) -> Iterator[Callable[[str, float], None]]:
    """Yield what shows the share done (0 to 1) of the named thing that is being fetched."""
    out = stream or sys.stderr
    said: List[str] = []
    bars: List[Any] = []  # made at the first call: mostly there is nothing to fetch

    def show(name: str, share: float) -> None:
        if not bars:
            bars.append(_bar(_SHARE, out, 100))
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


def go_to(folder: Path) -> None:
    """Make `folder` current; commands are still printed for where the person is."""
    _came_from.append(Path.cwd())
    os.chdir(str(folder))


def here() -> Path:
    """Return the folder that the person is in."""
    return _came_from[0] if _came_from else Path.cwd()


def resume_command(folder: Path) -> str:
    """Return what goes on with the run in `folder`."""
    return f"python -m lenet_exp.run resume={shlex.quote(str(short(folder)))}"


def upload_command(folder: Path) -> str:
    """Return what tells the store of the run in `folder`."""
    return f"python -m lenet_exp.upload run={shlex.quote(str(short(folder)))}"


def change_folder() -> List[str]:
    """Return what leads a person to where this run works; nothing if they are there."""
    return [] if Path.cwd() == here() else [f"cd {shlex.quote(str(Path.cwd()))}"]


def short(path: Path) -> Path:
    """Return a path as it is typed from where the person is."""
    try:
        return path.relative_to(here())
    except ValueError:
        return path


def activate() -> List[str]:
    """Return what activates this environment; nothing where it is active, or none."""
    script = Path(sys.prefix, "bin", "activate")
    python = shutil.which("python")
    is_active = python is not None and Path(python).parent == script.parent
    if is_active or not script.exists():
        return []
    with contextlib.suppress(ValueError):
        script = script.relative_to(Path.cwd())
    return [f"source {shlex.quote(str(script))}"]
