"""Real MNIST, and nothing of the person's own environment."""

from __future__ import annotations

import os
import signal
import warnings
from pathlib import Path

import pytest

from lenet_exp import tf_compat
from lenet_exp.data import download, files
from lenet_exp.hardware import cpu

# A shell in the background ignores Ctrl-C, and so would every process a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Before any test module can import TensorFlow or matplotlib.
tf_compat.configure(hide_gpus=True, deterministic=True)
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
with warnings.catch_warnings():  # TensorFlow's own import warns, and breaks if that is an error
    warnings.simplefilter("ignore")
    tf_compat.load()
cpu.fix_threads(1)  # bits are compared here


@pytest.fixture(scope="session")
def mnist_folder() -> Path:
    """The verified files; fetched where missing, as a first run does."""
    folder = files.cache_folder()
    download.fetch(folder, lambda name, share: None)
    return folder


@pytest.fixture(autouse=True)
def own_environment(monkeypatch, tmp_path):
    """Run each test in an empty folder, with no store chosen from outside."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "MLFLOW_ALLOW_FILE_STORE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def stack() -> str:
    return tf_compat.stack_of_this_python()
