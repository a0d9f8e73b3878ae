"""How tests reach the double of npu_bridge: in processes of their own, which it changes."""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import tempfile
from pathlib import Path

import pytest

from lenet_exp import tf_compat
from lenet_exp.sweep.executors.forked import ForkServer

ROOT = Path(__file__).resolve().parent.parent / "npu_bridge_double"
ONLY_TF1 = pytest.mark.skipif(
    tf_compat.stack_of_this_python() != "tf1", reason="npu_bridge is for TensorFlow 1.15 alone"
)


def environment(generation="today", **more):
    """Return the environment of a process that finds the double."""
    switches = {f"NPU_BRIDGE_DOUBLE_{key.upper()}": str(value) for key, value in more.items()}
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "NPU_BRIDGE_DOUBLE_GENERATION": generation,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        **switches,
    }


@functools.lru_cache(maxsize=None)
def server():
    """Return this process's server, which ends with it."""
    made = ForkServer(str(Path(__file__).with_name("double_server.py")))
    atexit.register(made.close)
    return made


def run(script, *words, given=None, **more):
    """Run Python code, or a file, beside the double; return what it printed, as JSON."""
    request = {
        "script": str(script), "is_file": isinstance(script, Path), "words": words,
        "folder": str(Path.cwd()), "environment": environment(**more),
    }  # fmt: skip
    with contextlib.ExitStack() as opened:
        streams = [opened.enter_context(tempfile.TemporaryFile("w+")) for _ in range(3)]
        json.dump(given, streams[0])
        streams[0].seek(0)
        ended = server().fork(request, [stream.fileno() for stream in streams]).poll(timeout=600)
        for stream in streams:
            stream.seek(0)  # the child's place in it is ours
        said, problems = (stream.read() for stream in streams[1:])
    assert ended == 0, problems
    return json.loads(said.splitlines()[-1])
