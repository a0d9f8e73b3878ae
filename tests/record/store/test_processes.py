"""Whether a process surely ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from lenet_exp.record.store import processes


def test_this_process_lives():
    assert not processes.is_dead(processes.this_process())


def test_a_process_that_ended_is_dead_and_one_with_its_number_is_another():
    script = (
        "from lenet_exp.record.store.processes import *; print(this_process(), flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        tag = child.stdout.readline()
        assert not processes.is_dead(tag)
        reused = {**json.loads(tag), "started": 1}
        assert processes.is_dead(json.dumps(reused))
        child.kill()
        child.wait()
        assert processes.is_dead(tag)


@pytest.mark.parametrize(
    ("change", "dead"),
    [
        pytest.param({"pid": 2**22 + 1}, True, id="no such process"),
        pytest.param({"pid": 2**22 + 1, "host": "other"}, False, id="another host"),
        pytest.param({"boot": "before", "machine": "this"}, True, id="before the last boot"),
        pytest.param({"boot": "before", "machine": "other"}, False, id="another localhost"),
        pytest.param({"boot": "before", "machine": None}, False, id="an unknown machine"),
        pytest.param({"pid": 2**22 + 1, "pids": "pid:[1]"}, False, id="another container"),
        pytest.param({"pid": "x"}, False, id="not understood"),
    ],
)
def test_only_what_surely_ended_is_dead(change, dead, monkeypatch):
    monkeypatch.setattr(processes, "_machine", lambda: "this")
    told = {**json.loads(processes.this_process()), **change}
    assert processes.is_dead(json.dumps(told)) is dead


@pytest.mark.parametrize(("answer", "dead"), [
    (None, False), (PermissionError(), False), (ProcessLookupError(), True),
])  # fmt: skip
def test_a_process_that_is_hidden_may_live(answer, dead, monkeypatch):
    def kill(pid, number):
        if answer is not None:
            raise answer

    told = json.dumps({**json.loads(processes.this_process()), "pid": 2**22 + 1})
    monkeypatch.setattr(os, "kill", kill)
    assert processes.is_dead(told) is dead


@pytest.mark.parametrize("tag", [None, "", "{}", "[]", "{"])
def test_no_tag_is_no_death(tag):
    assert not processes.is_dead(tag)


def test_what_a_dead_process_left_of_a_file_is_known_from_what_a_living_one_makes(tmp_path):
    child = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"],
                           stdout=subprocess.PIPE, check=True)  # fmt: skip
    dead, path = int(child.stdout), tmp_path / "mlflow.db"
    mine = processes.unfinished(path)
    host = mine.name[len(".mlflow.db.") :].partition(".")[0]
    left = [f".mlflow.db.{dead}.part", f".mlflow.db.{dead}.part-journal"]
    left += [f".mlflow.db.{host}.{dead}.part{end}" for end in ("", "-journal", "-wal", "-shm")]
    kept = [mine.name, f"{mine.name}-journal", f".mlflow.db.{os.getpid()}.part", ".mlflow.db.part"]
    kept += [f".mlflow.db.another.{dead}.part", f".other.db.{dead}.part", "mlflow.db"]
    for name in (*left, *kept):
        (tmp_path / name).write_text("")
    assert sorted(found.name for found in processes.left_unfinished(path)) == sorted(left)
