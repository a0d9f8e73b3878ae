"""A script from its command line to its exit code."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable, Mapping, NoReturn, Optional

from lenet_exp import tf_compat
from lenet_exp.config.cli.mend import CommandLine
from lenet_exp.config.cli.script_options import ScriptOptions
from lenet_exp.errors import Terminated, is_ours
from lenet_exp.record.terminal import print_as_python
from lenet_exp.script import interpreter, refusals
from lenet_exp.script.capture import Capture
from lenet_exp.script.imports import AfterImport
from lenet_exp.script.record import Kept, ScriptRecord
from lenet_exp.script.sessions import Takeover
from lenet_exp.script.watch import Watch

PACKAGES = Path(__file__).with_name("packages")
_PATIENCE = 3  # seconds
_ENDING = (signal.SIGTERM, signal.SIGHUP)
_masks = threading.local()  # of signals, of each thread before it forks


def run(options: ScriptOptions, line: CommandLine, tags: Optional[Mapping[str, str]] = None) -> int:
    """Run the script that is asked for, its sessions taken over; return its exit code.

    `line` is what was typed; `tags` are of its run in MLflow, besides its own.
    """
    sys.path[0] = "" if options.path is None else str(options.path.resolve().parent)
    kept = kept_of(options)
    kept.tags.update(tags or {})
    refusals.check_files(options)
    refusals.check_folders(options, kept)
    capture = None if options.capture is None else Capture(options.capture, kept.script)
    watch = Watch(ScriptRecord(kept), options.metric, options.steps, capture)
    takeover = Takeover(options.typed(), watch, options.trace, options.on_refused)
    AfterImport(takeover.install).install()
    _prepare_process(watch)
    try:
        ended = _script(options, line)
    except Terminated:
        ended = interpreter.Ended(143, signal.SIGTERM)
    status = "KILLED" if ended.signal else "FAILED" if ended.code else "FINISHED"
    watch.end(status, ended.error)
    if ended.signal is not None:
        _end_by(ended.signal)
    if ended.enough:
        _leave_threads()
    return ended.code


def _leave_threads() -> None:
    """End this process where threads of the script would keep it: they wait for steps."""
    until = time.monotonic() + _PATIENCE
    others = [one for one in threading.enumerate() if one is not threading.current_thread()]
    for one in others:
        if not one.daemon:
            one.join(max(0.0, until - time.monotonic()))
    if any(one.is_alive() and not one.daemon for one in others):
        interpreter.flush()
        os._exit(0)


def _script(options: ScriptOptions, line: CommandLine) -> interpreter.Ended:
    if options.path is not None:
        return interpreter.run_file(str(options.path), options.arguments, line.mended)
    return interpreter.run_module(str(options.module), options.arguments, line.mended)


def kept_of(options: ScriptOptions) -> Kept:
    """Return what is to be run, and where its record goes."""
    script = str(options.path or options.module)
    file = None if options.path is None else options.path.resolve()
    of_store = (options.record, options.uri, options.experiment)
    return Kept(script, file, options.arguments, *of_store)


def _prepare_process(watch: Watch) -> None:
    """Have this process be the script's, with the end of the record in its way out."""
    os.environ["XLA_FLAGS"] = tf_compat.exact_xla_flags(os.environ.get("XLA_FLAGS", ""))
    sys.path.insert(1, str(PACKAGES))
    sys.excepthook = sys.__excepthook__
    signal.signal(signal.SIGINT, signal.default_int_handler)
    print_as_python()
    os._exit = _after(watch.end, os._exit)  # type: ignore[assignment]
    os.abort = _failing(watch.end, os.abort)  # type: ignore[assignment]
    os.execv, os.execve = (_before_exec(watch.end, one) for one in (os.execv, os.execve))
    os.register_at_fork(
        before=_hold_signals, after_in_parent=_take_signals, after_in_child=_leave_signals
    )
    os.register_at_fork(after_in_child=watch.let_go)


def _hold_signals() -> None:
    """Have those that come while it is forked wait: Python's fork would forget them."""
    _masks.before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)


def _take_signals() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _masks.before)


def _leave_signals() -> None:
    """Have a fork of the script end by a signal as any process: the record is none of its own."""
    for number in _ENDING:
        if is_ours(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    _take_signals()


def _before_exec(end: Callable[[str], Any], execute: Callable[..., Any]) -> Callable[..., Any]:
    """Return what becomes another program, with the record ended where there is that program."""

    def execute_after(path: Any, *rest: Any) -> Any:
        if os.access(path, os.X_OK):
            end("FINISHED")
        return execute(path, *rest)

    return execute_after


def _after(end: Callable[[str], Any], leave: Callable[[int], NoReturn]) -> Callable[[int], None]:
    def leave_after(status: int) -> None:
        end("FAILED" if status else "FINISHED")
        leave(status)

    return leave_after


def _failing(end: Callable[[str], Any], leave: Callable[[], NoReturn]) -> Callable[[], None]:
    def leave_after() -> None:
        end("FAILED")
        leave()

    return leave_after


def _end_by(number: int) -> None:
    """End as Python ends that a signal has interrupted: by it, and by exit code 1 before 3.8."""
    if number == signal.SIGINT and sys.version_info < (3, 8):
        return
    interpreter.flush()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
