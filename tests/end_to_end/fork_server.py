"""The package's fork server for any command, which imports the package itself as a fresh one does.

The imports of TensorFlow, MLflow and matplotlib take longer than most runs of a test. A child has
its own folder, environment, streams, pid, signals and exit code, as a fresh interpreter has;
test_fork_server.py holds the bits of both against each other.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import os
import random
import runpy
import signal
import socket
import sys
import threading
import traceback
import warnings

from lenet_exp import tf_compat
from lenet_exp.sweep.executors import fork_server

OF_HYDRA = (
    "hydra.main",
    "hydra._internal.hydra",
    "hydra._internal.instantiate._instantiate2",
    "hydra.core.override_parser.overrides_parser",
)


def load():
    """Import what the commands import that is not ours."""
    tf_compat.configure(hide_gpus=True, deterministic=True)
    tf_compat.load()
    for name in (*fork_server.IMPORTED, *OF_HYDRA):
        importlib.import_module(name)
    for name in [name for name in sys.modules if name.partition(".")[0] == "lenet_exp"]:
        del sys.modules[name]  # a command begins with its own
    fork_server.freeze()


def become(request):
    """Take on what a new process is given."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    found = request["environment"].get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:1] = [request["folder"], *filter(None, found)]  # as -m does
    sys.modules.pop("sitecustomize", None)
    with contextlib.suppress(ImportError):
        importlib.import_module("sitecustomize")
    sys.argv = [request["module"], *request["words"]]
    random.seed()  # else the names that MLflow draws are everybody's


def run(module):
    """Run a module as `python -m` does; return the exit code."""
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return error.code or 0
        print(error.code, file=sys.stderr)
        return 1
    except BaseException:  # noqa: BLE001 - as an interpreter ends
        traceback.print_exc()
        return 1
    return 0


def leave(code):
    """End as an interpreter does, but for the clean-up of its memory."""
    threading._shutdown()
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = 120  # an interpreter's, for output that was lost
    os._exit(code)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    load()
    asked = fork_server.serve(socket.socket(fileno=int(sys.argv[1])))
    if asked is not None:
        become(asked)
        leave(run(asked["module"]))
