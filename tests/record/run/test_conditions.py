"""What a repetition would need is recorded: code, packages, machine, settings of TensorFlow."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lenet_exp.record.run import conditions


def test_this_process_is_described(monkeypatch):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "1")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "secret")
    monkeypatch.setattr(sys, "argv", ["/place/lenet_exp/run.py", "seed=3", "data.path=a b"])
    kept = conditions.files("ab12", "a CPU", {"tensorflow": "2.21.0", "threads": "1"}, {})
    found = json.loads(kept["conditions.json"])
    assert found["command"] == ["python", "-m", "lenet_exp.run", "seed=3", "data.path=a b"]
    assert found["python"] == "{}.{}.{}".format(*sys.version_info)
    assert found["packages"]["numpy"] == np.__version__
    assert found["environment"]["TF_ENABLE_ONEDNN_OPTS"] == "1"
    assert found["tensorflow"] == {"tensorflow": "2.21.0", "threads": "1"}
    assert found["data_sha256"] == "ab12"
    assert re.fullmatch("[0-9a-f]{64}", found["code_sha256"])
    assert "sse2" in found["cpu_flags"] or "asimd" in found["cpu_flags"]
    assert b"secret" not in kept["conditions.json"]


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A repository with the package in it, which the module takes for its own."""
    for name in ("run.py", "changed.py"):
        (tmp_path / "lenet_exp").mkdir(exist_ok=True)
        (tmp_path / "lenet_exp" / name).write_text("old = 1\n")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        git(tmp_path, *words)
    monkeypatch.setattr(conditions, "_HERE", tmp_path / "lenet_exp")
    return tmp_path


def git(folder, *words):
    person = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
    done = subprocess.run(
        ["git", *person, *words], cwd=str(folder), check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_a_clean_checkout_is_its_commit(checkout):
    kept = conditions.files("", "cpu", {}, {})
    assert list(kept) == ["conditions.json"]
    recorded = json.loads(kept["conditions.json"])
    assert recorded["git_commit"] == git(checkout, "rev-parse", "HEAD")
    assert recorded["git_diff_sha256"] == "none"


def test_the_diff_brings_back_changed_and_new_files(checkout, tmp_path_factory):
    (checkout / "lenet_exp" / "changed.py").write_text("new = 2\n")
    (checkout / "lenet_exp" / "added one.py").write_text("more = 3\n")
    (checkout / "data.bin").write_bytes(b"\0" * 2_000_000)
    kept = conditions.files("", "cpu", {}, {})
    diff = kept["git.diff"]
    recorded = json.loads(kept["conditions.json"])
    assert recorded["git_diff_sha256"] == hashlib.sha256(diff).hexdigest()
    assert len(diff) < 10_000
    place = tmp_path_factory.mktemp("again")
    git(place, "clone", "-q", str(checkout), ".")
    git(place, "checkout", "-q", recorded["git_commit"])
    subprocess.run(["git", "apply"], cwd=str(place), input=diff, check=True)
    for name in ("changed.py", "added one.py"):
        path = Path("lenet_exp") / name
        assert (place / path).read_text() == (checkout / path).read_text()


def test_code_in_no_repository_of_its_own_has_no_commit(checkout):
    git(checkout, "rm", "-q", "--cached", "-r", "lenet_exp")
    assert (
        json.loads(conditions.files("", "cpu", {}, {})["conditions.json"])["git_commit"] == "none"
    )
    shutil.rmtree(str(checkout / ".git"))
    kept = conditions.files("", "cpu", {}, {})
    assert json.loads(kept["conditions.json"])["git_commit"] == "none"
    assert "git.diff" not in kept


class Package:
    """An installed package, of which `files` are there."""

    def __init__(self, **files):
        self.read_text = files.get


def test_a_package_is_listed_if_it_has_a_name_and_a_version(monkeypatch):
    found = [
        Package(METADATA="Metadata-Version: 2.1\nName: b \nVersion:  2.0\n\nVersion: 9 is old\n"),
        Package(**{"PKG-INFO": "Version: 1\nName: A\n"}),
        Package(METADATA="Name: unnumbered\n\n"),
        Package(METADATA="Version: 3\n\n"),
        Package(),
    ]
    monkeypatch.setattr(conditions, "distributions", lambda: found)
    recorded = json.loads(conditions.files("", "cpu", {}, {})["conditions.json"])
    assert list(recorded["packages"].items()) == [("A", "1"), ("b", "2.0")]
