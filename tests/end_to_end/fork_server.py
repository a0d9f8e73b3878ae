"""A process that has imported what is heavy and foreign, and forks a child for each command.

The imports of TensorFlow, MLflow and matplotlib take longer than most runs of a test. A child
imports the package itself and has its own folder, environment, streams, pid, signals and exit
code, as a fresh interpreter has; test_fork_server.py holds the bits of both against each other.

No session is opened before a fork: its threads would not be there in the child.
"""

from __future__ import annotations

import array
import atexit
import contextlib
import gc
import importlib
import json
import os
import random
import runpy
import signal
import socket
import struct
import sys
import threading
import traceback
import warnings
from pathlib import Path

# Libraries that would otherwise start threads at their import.
ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}
IMPORTED = (
    "mlflow.tracking",
    "mlflow.store.db.utils",
    "mlflow.store.tracking.file_store",
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.store.artifact.local_artifact_repo",
    "sqlalchemy.dialects.sqlite",
    "alembic.command",
    "git",
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
    "scipy.special",
    "PIL.PngImagePlugin",
    "hydra.main",
    "hydra._internal.hydra",
    "hydra._internal.instantiate._instantiate2",
    "hydra.core.override_parser.overrides_parser",
)
LARGEST = 1 << 17  # bytes of a request
STREAMS = 4  # that come with it: the three standard ones, and where the answers go
NUMBER = struct.Struct("i")  # an answer: first the pid, at last what waitpid says


def load():
    """Import what the commands import that is not ours."""
    from lenet_exp import tf_compat

    tf_compat.configure(hide_gpus=True, deterministic=True)
    tf_compat.load()
    for name in IMPORTED:
        importlib.import_module(name)
    for name in [name for name in sys.modules if name.partition(".")[0] == "lenet_exp"]:
        del sys.modules[name]  # a command begins with its own
    gc.collect()
    gc.freeze()  # else a child's first collection copies every page
    threads = len([*Path("/proc/self/task").iterdir()])
    assert threads == 1, f"{threads} threads: one that a child lacks may hold a lock"


def serve(control):
    """Fork for each request until the other end is closed; in a child, return its request."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the commands
    while True:
        streams = array.array("i")
        size = socket.CMSG_LEN(STREAMS * streams.itemsize)
        text, ancillary, _, _ = control.recvmsg(LARGEST, size)
        reap()
        if not text:
            return None
        for _, _, data in ancillary:
            streams.frombytes(data)
        if os.fork() == 0:
            control.close()
            return attend(json.loads(text.decode()), streams)
        for stream in streams:
            os.close(stream)


def reap():
    """Take the ends of those that told how their commands ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def attend(request, streams):
    """Fork the command, and tell its pid and later how it ended; in it, return the request."""
    *standard, answers = streams
    pid = os.fork()
    if pid == 0:
        for number, stream in enumerate(standard):
            os.dup2(stream, number)
        for stream in streams:
            os.close(stream)
        return request
    for stream in standard:
        os.close(stream)
    os.write(answers, NUMBER.pack(pid))
    _, status = os.waitpid(pid, 0)
    os.write(answers, NUMBER.pack(status))
    os._exit(0)


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
    asked = serve(socket.socket(fileno=int(sys.argv[1])))
    if asked is not None:
        become(asked)
        leave(run(asked["module"]))
