"""The process of a job: it takes its order, carries it out, and ends with an exit code."""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any, Callable, Dict

from lenet_exp.errors import LenetExpError, Terminated, handle_signals, wrap_os_error

OURS = "lenet-exp: "  # begins each error that is said in words


def end_with_the_sweep(order: int, end: Callable[[], None]) -> None:
    """Call `end` when the launching process has ended: then so does the order it holds open.

    At once: a kill spoils no file, and the next command ends the run in the store.
    """

    def wait() -> None:
        os.read(order, 1)
        end()

    threading.Thread(target=wait, name="sweep", daemon=True).start()


def exit_code(carry_out: Callable[[Dict[str, Any]], int]) -> int:
    """Return the exit code of `carry_out`, or of what ended it, which is said in words.

    The order is the first line of the standard input, whose end means that the launching process
    has ended.
    """
    try:
        handle_signals()
        line = sys.stdin.buffer.readline()
        if not line.endswith(b"\n"):  # it ended at once
            return 1
        return carry_out(json.loads(line))
    except (LenetExpError, OSError) as error:
        failure = wrap_os_error(error)
        print(f"{OURS}{failure}", file=sys.stderr)
        return failure.exit_code
    except KeyboardInterrupt:
        return 130
    except Terminated:
        return 143
