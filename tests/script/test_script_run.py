"""A whole script in a process of its own: what a person types, and what comes out."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lenet_exp.precision import load_graph
from lenet_exp.record.store import journal

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = Path(__file__).parent / "scripts"


def run(*words, cwd, script=None, **environment):
    """Return the finished process of `python -m lenet_exp.script`."""
    first = [f"path={SCRIPTS / script}"] if script else []
    environment = {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", **environment}
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "lenet_exp.script", *first, *words],
        cwd=str(cwd),
        env={**os.environ, **environment},
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a folder and what a script in it left: everything is asked for at once."""
    folder = tmp_path_factory.mktemp("script")
    asked = ["precision=force_fp16", "trace_overflow=true", "capture=captured", "record=record",
             "tracking.uri=none"]  # fmt: skip
    return folder, run(*asked, "--", "7", script="plain.py", cwd=folder)


@pytest.mark.slow
def test_a_script_has_its_own_arguments_folder_and_exit_code(made):
    folder, ended = made
    assert ended.returncode == 7, ended.stderr
    lines = ended.stdout.splitlines()
    assert lines[0] == f"['{SCRIPTS / 'plain.py'}', '7'] {folder}"
    assert lines[-1] == "float16: True"
    assert len(lines) == 22  # nothing of ours


@pytest.mark.slow
def test_the_first_line_says_what_was_found_and_the_last_what_came_of_it(made):
    _, ended = made
    ours = [line for line in ended.stderr.splitlines() if line.startswith("lenet-exp: ")]
    found = "the script's own, allow_mix_precision (the session's precision_mode), is overridden"
    assert ours[0].startswith(f"lenet-exp: force_fp16 (typed); {found}; ")
    assert "in float16" in ours[0]
    assert "20 steps" in ours[1]
    assert "overflows in 20 training steps" in ours[2]
    assert ours[-1] == "lenet-exp: recorded: record"


@pytest.mark.slow
def test_a_script_is_recorded(made):
    folder, _ = made
    entries = journal.read(folder / "record")
    params, metrics = (journal.merged(entries, kind) for kind in ("params", "metrics"))
    assert params["precision"] == "force_fp16"
    assert params["arguments"] == "7"
    assert metrics["steps"] == 20
    assert 0 <= metrics["loss"] < 100
    assert journal.merged(entries, "status") == {"status": "FAILED"}  # 7 is no success
    kept = {path.name for path in (folder / "record").rglob("*") if path.is_file()}
    assert kept == {
        "record.jsonl", "report.txt", "precision.csv", "overflows.csv", "plain.py",
    }  # fmt: skip


@pytest.mark.slow
def test_a_captured_graph_needs_no_script(made):
    folder, _ = made
    about = json.loads((folder / "captured/capture.json").read_text())
    graph, _ = load_graph(folder / "captured/graph.meta")
    names = {node.name for node in graph.node}
    assert {name.partition(":")[0] for name in about["fetches"]} <= names
    assert not any(name.startswith("lenet_exp") for name in names)
    with np.load(str(folder / "captured/feeds.npz")) as feeds:
        assert {name: feeds[name].shape for name in feeds} == {"Placeholder:0": (3, 8, 4)}
    assert (folder / "captured/checkpoint-0.index").is_file()


@pytest.mark.parametrize(("words", "said"), [
    (["path=nowhere.py"], "a file that exists"),
    (["precision=force_fp16"], "the key path is missing"),
    (["path=plain.py", "module=plain"], "is given beside module"),
    (["path=plain.py", "precision=fp17"], "allow_mix_precision"),
    (["plain.py"], "path=plain.py"),
])  # fmt: skip
@pytest.mark.stackless
def test_a_wrong_line_is_refused_in_words(words, said, monkeypatch, capsys):
    from lenet_exp.script.__main__ import main

    monkeypatch.chdir(SCRIPTS)
    assert main(words) == 2
    assert said in capsys.readouterr().err
