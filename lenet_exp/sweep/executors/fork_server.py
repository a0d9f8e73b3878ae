"""python -m lenet_exp.sweep.executors.fork_server: forks jobs, which need import nothing more.

It is told on its standard input, as a line of JSON, what these have alike: "deterministic", and
"data", the setting `data.path`.

The imports of TensorFlow, MLflow and matplotlib take longer than a short job. Each job is still a
process with its own session, precision mode, log, signals and death. npu_bridge and sessions are
the child's alone: their threads would be lacking in a fork, and locks that they hold stay held.
"""

from __future__ import annotations

import array
import contextlib
import gc
import importlib
import json
import os
import random
import signal
import socket
import struct
import sys
from pathlib import Path
from typing import Any, Dict, Optional, Tuple

from lenet_exp import tf_compat
from lenet_exp.errors import HardwareError

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
    "mlflow.store.tracking.rest_store",
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.store.artifact.local_artifact_repo",
    "sqlalchemy.dialects.sqlite",
    "alembic.command",
    "git",
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
    "scipy.special",
    "PIL.PngImagePlugin",
)
_OURS = ("lenet_exp.experiment.run", "lenet_exp.sweep.job")
STREAMS = 4  # of a request: the three standard ones, and where the answers go
NUMBER = struct.Struct("i")  # an answer: first the pid, at last what waitpid says
_LARGEST = 1 << 17  # bytes of a request

Request = Dict[str, Any]


def load(deterministic: bool, data: Optional[str]) -> None:
    """Import what a job imports, and do what all of them do alike.

    Raises:
        HardwareError: a thread lives that a fork would lack, or a chip's adapter is loaded.
    """
    tf_compat.configure(hide_gpus=True, deterministic=deterministic)
    tf_compat.load()
    for name in (*IMPORTED, *_OURS):
        importlib.import_module(name)
    from lenet_exp.sweep.executors import rehearsal  # noqa: PLC0415 - after TensorFlow's settings

    rehearsal.rehearse(data)
    freeze()


def freeze() -> None:
    """Look at what was imported, and keep it where a child's garbage collection leaves it be.

    Raises:
        HardwareError: it can't be forked.
    """
    gc.collect()
    gc.freeze()  # else a child's first collection copies every page
    threads = len([*Path("/proc/self/task").iterdir()])
    if threads > 1 or "npu_bridge" in sys.modules:
        raise HardwareError(f"{threads} threads", "one that a fork lacks may hold a lock", "")


def serve(control: socket.socket) -> Optional[Request]:
    """Fork for each request until the other end is closed; in a child, return its request."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the launching process
    while True:
        text, streams = _received(control)
        _reap()
        if not text:
            return None
        if os.fork() == 0:
            control.close()
            return _attend(json.loads(text.decode()), streams)
        for stream in streams:
            os.close(stream)


def _received(control: socket.socket) -> Tuple[bytes, array.array[int]]:
    streams = array.array("i")
    size = socket.CMSG_LEN(STREAMS * streams.itemsize)
    text, ancillary, _, _ = control.recvmsg(_LARGEST, size)
    for _, _, data in ancillary:
        streams.frombytes(data)
    return text, streams


def _reap() -> None:
    """Take the ends of those that told how their jobs ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _attend(request: Request, streams: array.array[int]) -> Request:
    """Fork the job, which tells its pid, and tell how it ended; in the job, return the request."""
    *standard, answers = streams
    pid = os.fork()
    if pid > 0:
        for stream in standard:
            os.close(stream)
        _tell(answers, os.waitpid(pid, 0)[1])
        os._exit(0)
    _tell(answers, os.getpid())  # itself: who waits for it may be killed at once
    for number, stream in enumerate(standard):
        os.dup2(stream, number)
    for stream in streams:
        os.close(stream)
    return request


def _tell(answers: int, number: int) -> None:
    with contextlib.suppress(BrokenPipeError):  # nobody asks any more
        os.write(answers, NUMBER.pack(number))


def become(request: Request) -> None:
    """Take on what a process of its own is given.

    Args:
        request: "environment": variables that the server has otherwise, None: to be unset.
    """
    os.setsid()  # as a fresh interpreter of ours has
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name, value in request["environment"].items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    os.chdir(request["folder"])
    random.seed()  # else the names that MLflow draws are everybody's


def main() -> int:
    """Serve the launching process whose socket is named; in a child, make its job."""
    os.setsid()  # a Ctrl-C comes to the launching process alone
    control = socket.socket(fileno=int(sys.argv[-1]))
    told = sys.stdin.buffer.readline()
    if not told:  # the launching process ended at once
        return 0
    load(**json.loads(told))
    request = serve(control)
    if request is None:
        return 0
    become(request)
    from lenet_exp.sweep import job  # noqa: PLC0415 - loaded by now

    return job.main()


if __name__ == "__main__":
    from lenet_exp.record.terminal import leave

    leave(main())
