"""A script from its command line to its exit code."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from lenet_exp import tf_compat
from lenet_exp.config.cli.script_options import ScriptOptions
from lenet_exp.script import interpreter
from lenet_exp.script.imports import AfterImport
from lenet_exp.script.sessions import Observer, Takeover

PACKAGES = Path(__file__).with_name("packages")


def run(options: ScriptOptions) -> int:
    """Run the script that is asked for, its sessions taken over; return its exit code."""
    takeover = Takeover(options.typed(), Observer(), options.trace, options.on_refused)
    AfterImport(takeover.install).install()
    os.environ["XLA_FLAGS"] = tf_compat.exact_xla_flags(os.environ.get("XLA_FLAGS", ""))
    sys.path.insert(1, str(PACKAGES))
    sys.excepthook = sys.__excepthook__
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if options.path is not None:
        return interpreter.run_file(str(options.path), options.arguments)
    return interpreter.run_module(str(options.module), options.arguments)
