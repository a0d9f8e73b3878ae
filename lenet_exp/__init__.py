"""Train LeNet under the Ascend 910's precision modes and compare what comes out."""

import importlib.util
import sys

__version__ = "0.1.0"

# `python -m` outside the environment: a person sees words, and a program that imports us its error.
if sys.argv[:1] == ["-m"] and importlib.util.find_spec("hydra") is None:
    sys.exit(
        f"lenet-exp: {sys.executable} has no hydra-core, without which nothing here runs\n"
        "  try: make setup, and the line that it prints"
    )
