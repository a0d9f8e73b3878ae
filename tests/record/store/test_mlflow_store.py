"""One store, several processes."""

from __future__ import annotations

import subprocess
import sys

import pytest

OPEN = """
import sys, time
from lenet_exp.record.store import mlflow_store
mlflow_store._mlflow()  # the slow part
print("ready", flush=True)
time.sleep(float(sys.stdin.readline()))
mlflow_store.Store(sys.argv[1], "lenet-exp")
print("open")
"""


@pytest.mark.parametrize("places", ["one", pytest.param("two", marks=pytest.mark.full)])
def test_a_new_store_is_made_once_however_its_users_are_staggered(places, tmp_path):
    # An absolute URI names the same file from every folder; MLflow 3 takes seconds to make it.
    folders = [tmp_path / "a", tmp_path / ("a" if places == "one" else "b")] * 2
    children = []
    for folder in folders:
        folder.mkdir(exist_ok=True)
        uri = "sqlite:///store.db" if places == "one" else f"sqlite:///{tmp_path / 'store.db'}"
        children.append(
            subprocess.Popen(
                [sys.executable, "-W", "ignore", "-c", OPEN, uri],
                cwd=str(folder),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    for child in children:
        assert child.stdout.readline() == "ready\n"
    for number, child in enumerate(children):
        child.stdin.write(f"{0.4 * number}\n")
        child.stdin.flush()
    for child in children:
        said, problem = child.communicate(timeout=120)
        assert (child.returncode, said) == (0, "open\n"), problem
