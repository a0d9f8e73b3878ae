"""What --version says, of every verb alike: read from what is installed, nothing is imported."""

from __future__ import annotations

import sys

import lenet_exp

FLAG = "--version"
# TensorFlow is distributed under several names; the first that is installed counts.
_LIBRARIES = {
    "TensorFlow": ("tensorflow", "tensorflow-cpu", "tensorflow-gpu", "tensorflow-cpu-aws"),
    "MLflow": ("mlflow",),
    "Hydra": ("hydra-core",),
}


def line() -> str:
    """Return our version, the libraries' and Python's."""
    libraries = [f"{name} {_installed(*names)}" for name, names in _LIBRARIES.items()]
    python = ".".join(map(str, sys.version_info[:3]))
    return f"lenet-exp {lenet_exp.__version__} ({', '.join(libraries)}, Python {python})"


def show() -> int:
    """Print the line; return the exit code."""
    print(line())
    return 0


def _installed(*names: str) -> str:
    try:  # here: no verb waits for it, and doctor is for a Python that may lack it
        if sys.version_info >= (3, 8):
            from importlib.metadata import distributions  # noqa: PLC0415 # novm
        else:
            from importlib_metadata import distributions  # noqa: PLC0415
    except ImportError:
        return "unknown"
    found = (each.version for name in names for each in distributions(name=name))
    return next(found, "not installed")
