"""A whole script in a process of its own: what a person types, and what comes out."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple, Sequence

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
    (["path=plain.py", "record=/proc/x"], "record=/proc/x is not possible"),
    (["path=plain.py", "capture=/proc/x/y"], "capture=/proc/x/y is not possible"),
    (["path=plain.py", "tracking.uri=sqlite:////proc/x.db", "--", "-x"],
     "path=plain.py tracking.uri=sqlite"),
    (["path=plain.py", "tracking.uri=/proc/x"], "tracking.uri=/proc/x is not possible"),
    (["path=plain.py", "tracking.uri=http://127.0.0.1:1"], "path=plain.py tracking.uri="),
    (["path=plain.py", "modify_mixlist=plain.py"], "modify_mixlist plain.py"),
    (["path=plain.py", "customize_dtypes=plain.py"], "customize_dtypes"),
    (["path=plain.py", "precision=force_fp16", "modify_mixlist=plain.py"], "has no lists"),
    (["path=plain.py", "precision=force_fp16", "modify_mixlist=plain.py", "--", "--x"],
     "path=plain.py precision=allow_mix_precision precision.modify_mixlist="),
    (["path=plain.py", "precision=fp17", "--", "--x=1", "a b"],
     "path=plain.py precision=allow_mix_precision -- --x=1 'a b'\n"),
    (["path=plain.py", "--batch_size=64"], "allowed: -- before the script's arguments"),
    (["path=plain.py", "--batch_size=64"], ".script path=plain.py -- --batch_size=64\n"),
    (["path=plain.py", "--steps=100", "-v", "3"], " path=plain.py -- --steps=100 -v 3\n"),
    (["-m", "plain.py", "-b", "64", "precision=fp16,origin"],
     " -m path=plain.py precision=fp16,origin -- -b 64\n"),
    (["path=plain.py", "--precision=fp16", "--", "-x"], "path=plain.py precision=fp16 -- -x\n"),
])  # fmt: skip
@pytest.mark.stackless
def test_a_wrong_line_is_refused_in_words(words, said, monkeypatch, capsys):
    from lenet_exp.script.__main__ import main

    monkeypatch.chdir(SCRIPTS)
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert main(words) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("words", [["path=a.py"], ["module=a"], ["module=json.tool"]])
@pytest.mark.parametrize("sweeps", [False, True])
@pytest.mark.stackless
def test_the_folder_that_is_tried_is_the_one_of_the_record(
    words, sweeps, tmp_path, monkeypatch, capsys
):
    from lenet_exp.script.__main__ import main

    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.py").write_text("")
    for place in (tmp_path, tmp_path / "in"):
        (place / "outputs").write_text("a file")  # a sweep writes nothing there
    monkeypatch.chdir(tmp_path / "in")
    monkeypatch.setattr(sys, "path", [*sys.path])
    more = ["-m", "precision=fp16,origin", "dry_run=true"] if sweeps else []
    assert main([*more, *words]) == (0 if sweeps else 2)
    place = tmp_path / "in" if words == ["module=json.tool"] else tmp_path
    refused = f"record={place}/outputs/script-"
    assert (refused in capsys.readouterr().err) != sweeps


class Ending(NamedTuple):
    """A way to end: what is asked of it and what it leaves."""

    code: int
    said: str  # in its error output
    status: str = "FINISHED"
    steps: int = 3
    words: Sequence[str] = ()


ENDINGS = {
    "none": Ending(0, "3 steps", words=["metric=error"]),
    "leave": Ending(5, "3 steps", "FAILED"),
    "interrupt": Ending(-signal.SIGINT, "KeyboardInterrupt", "KILLED"),
    "patch": Ending(0, "3 steps"),
    "folder": Ending(0, "3 steps"),
    "spawn": Ending(0, "3 steps"),
    "replace": Ending(0, "3 steps"),
    "abort": Ending(-signal.SIGABRT, "3 steps", "FAILED"),
    "raise": Ending(1, "ValueError: the script's own", "FAILED"),
    "forever": Ending(0, "keep_dtype=Nope changed nothing", steps=5,
                      words=["steps=5", "keep_dtype=[Nope]"]),
    "catch": Ending(0, "5 steps", steps=5, words=["steps=5"]),
    "thread": Ending(0, "metric=lss was not found: the training steps fetched error:0", steps=5,
                     words=["steps=5", "metric=lss"]),
    "wrong_list": Ending(0, "in float32: ", steps=4, words=["steps=4"]),
    "refused": Ending(2, "nowhere.json", "FAILED", 0, ["on_refused=error"]),
}  # fmt: skip


@pytest.fixture
def place(tmp_path):
    """Return a folder with a script and a package of the same script."""
    folder = tmp_path / "in" / "scripts"
    (folder / "package").mkdir(parents=True)
    shutil.copy(str(SCRIPTS / "branches.py"), str(folder))
    shutil.copy(str(SCRIPTS / "branches.py"), str(folder / "package" / "train.py"))
    (folder / "package" / "__init__.py").write_text("from npu_bridge.npu_init import *\n")
    return folder


@pytest.mark.full
@pytest.mark.parametrize("name", ENDINGS)
def test_whatever_ends_a_script_leaves_a_record_and_its_folder_clean(name, place):
    ending = ENDINGS[name]
    before = {*place.rglob("*")}
    ended = run("path=branches.py", "tracking.uri=none", *ending.words, "--", name, cwd=place)
    code = 1 if ending.code == -signal.SIGINT and sys.version_info < (3, 8) else ending.code
    assert (ended.returncode, ending.said in ended.stderr) == (code, True), ended.stderr
    assert "lenet_exp/script" not in ended.stderr  # no traceback of ours
    assert {*place.rglob("*")} == before
    (record,) = (place.parent / "outputs").iterdir()
    entries = journal.read(record)
    metrics = journal.merged(entries, "metrics")
    assert journal.merged(entries, "status") == {"status": ending.status}
    assert metrics.get("steps", 0) == ending.steps
    assert ("loss" in metrics) == ("metric=error" in ending.words)
    tags = journal.merged(entries, "tags")
    assert tags["emulated"] == ("false" if name == "wrong_list" else "true")


@pytest.mark.slow
def test_a_module_is_emulated_from_its_package_on(place):
    before = {*place.rglob("*")}
    words = ["module=package.train", "record=../record", "tracking.uri=none", "steps=2"]
    ended = run(*words, "--", "forever", cwd=place)
    assert ended.returncode == 0, ended.stderr
    loss = float(ended.stdout.splitlines()[-1])
    assert loss == float(np.float16(loss))
    assert {*place.rglob("*")} == before
    entries = journal.read(place.parent / "record")
    assert journal.merged(entries, "status") == {"status": "FINISHED"}
    assert journal.merged(entries, "metrics")["steps"] == 2
    assert (place.parent / "record" / "script" / "train.py").is_file()
