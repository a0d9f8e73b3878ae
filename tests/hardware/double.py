"""How tests reach the double of npu_bridge: in processes of their own, which it changes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lenet_exp import tf_compat

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


def run(script, *words, given=None, **more):
    """Run Python code, or a file, beside the double; return what it printed, as JSON."""
    code = [str(script)] if isinstance(script, Path) else ["-c", script]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *code, *words],
        env=environment(**more),
        input=None if given is None else json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
