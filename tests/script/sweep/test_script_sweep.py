"""A sweep over a script: what a person types, what its jobs do, and what is recorded of each."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lenet_exp.record.store import journal
from lenet_exp.script.__main__ import main
from tests.stores import new_store

ROOT = Path(__file__).resolve().parents[3]
SCRIPTS = ROOT / "tests" / "script" / "scripts"
ENVIRONMENT = {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
MODES = "precision=must_keep_origin_dtype,force_fp16"


FAILED = "precision=must_keep_origin_dtype: ValueError: the loss is"


def started(*words, cwd):
    """Return the process of `python -m lenet_exp.script -m`."""
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "lenet_exp.script", "-m", *words],
        cwd=str(cwd),
        env={**os.environ, **ENVIRONMENT},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _run(*words, cwd):
    process = started(*words, cwd=cwd)
    out, err = process.communicate(timeout=600)
    return process.returncode, out, err


def _here(*words, cwd):
    """Return the same of a sweep in this process: only its jobs are processes of their own."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(cwd)
        patched.setattr(sys, "path", [*sys.path])
        for key, value in ENVIRONMENT.items():
            patched.setenv(key, value)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(["-m", *words])
    return code, out.getvalue(), err.getvalue()


def _known(folder):
    entries = journal.read(folder)
    kinds = ("tags", "metrics", "status")
    return {k: v for kind in kinds for k, v in journal.merged(entries, kind).items()}


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """Return a folder, the words of a sweep in it, and what it said: one of its two jobs fails."""
    folder = tmp_path_factory.mktemp("swept")
    new_store(folder / "mlflow.db")
    (folder / "models").mkdir()
    (folder / "models" / "before.txt").write_text("")
    words = [f"path={SCRIPTS / 'folders.py'}", MODES, "sweep=mine", "out=out_dir",
             "--", "--out_dir=models"]  # fmt: skip
    return folder, words, _here(*words, cwd=folder)


@pytest.mark.slow
def test_a_job_that_fails_is_told_with_its_reason_and_the_other_is_kept(swept, monkeypatch, capsys):
    folder, words, (code, out, err) = swept
    assert code == 1, err
    assert FAILED in out
    assert "[2/2] precision=force_fp16: finished" in out
    assert "Traceback" not in out + err
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [*sys.path])
    end = words.index("--")
    assert main(["-m", *words[:end], "dry_run=true", *words[end:]]) == 0
    again = capsys.readouterr().out
    assert "2 jobs (1 to redo, 1 to keep)" in again
    assert "precision=must_keep_origin_dtype  to redo: it failed" in again
    assert "precision=force_fp16  to keep: it finished" in again


@pytest.mark.slow
def test_each_job_has_a_record_and_folders_of_its_own(swept):
    folder, _, _ = swept
    assert [path.name for path in (folder / "models").iterdir()] == ["before.txt"]
    jobs = {job["delta"]: folder / "multirun/mine" / job["identity"]
            for job in json.loads((folder / "multirun/mine/jobs.json").read_text())}  # fmt: skip
    for delta, job in jobs.items():
        assert (job / "out/out_dir/found.txt").read_text() == "before.txt"
        known = _known(job)
        assert (known["sweep"], known["job_override"]) == ("mine", delta)
        assert known["steps"] == 3
        assert "mlflow.parentRunId" in known
    failed = _known(jobs["precision=must_keep_origin_dtype"])
    assert (failed["status"], failed["error"]) == ("FAILED", "ValueError: the loss is")


@pytest.mark.slow
def test_a_sweep_of_a_script_is_compared(swept, monkeypatch, capsys):
    from lenet_exp import compare
    from lenet_exp.sweep.__main__ import main as shown

    monkeypatch.chdir(swept[0])
    assert compare.main(["sweep=mine", "tracking.experiment=lenet-exp-scripts"]) == 0
    told = capsys.readouterr().out
    assert "precision=must_keep_origin_dtype  FAILED" in told
    assert "precision=force_fp16              FINISHED  3" in told
    assert told.count("precision=force_fp16 ") == 1
    assert (swept[0] / "outputs/comparisons/mine/comparison.csv").is_file()
    words = ["sweep=mine", "tracking.experiment=lenet-exp-scripts", "require_accuracy=0.5"]
    assert compare.main(words) == 1
    assert "no accuracy is known of a script" in capsys.readouterr().err
    assert shown(["mine"]) == 0
    assert "1 failed, 1 finished" in capsys.readouterr().out


@pytest.mark.full
def test_what_failed_is_made_again_and_nothing_else(swept):
    folder, words, _ = swept
    code, again, err = _run(*words, cwd=folder)
    assert code == 1, err
    assert "2 jobs (1 to redo, 1 to keep)" in again
    assert "precision=force_fp16: begins" not in again
    assert FAILED in again


@pytest.mark.full
@pytest.mark.parametrize(("word", "said"), [
    ("kill", "killed by SIGKILL"),
    ("--no", "AssertionError"),  # before its first session
])  # fmt: skip
def test_a_job_that_dies_is_recorded_with_its_reason(word, said, tmp_path):
    first = [] if word == "--no" else ["--out_dir=models"]
    words = [f"path={SCRIPTS / 'folders.py'}", "precision=force_fp16", "sweep=mine"]
    code, out, err = _run(*words, "--", *first, word, cwd=tmp_path)
    assert code == 1, err
    (job,) = [path for path in (tmp_path / "multirun/mine").iterdir() if path.is_dir()]
    known = _known(job)
    assert said in known["error"]
    assert known["status"] == "FAILED"
    assert f"precision=force_fp16: {known['error']}" in out  # from the store


def _living(group):
    """Return the states of a group's processes, but of those that nobody has waited for."""
    words = ["ps", "-o", "stat=", "-g", str(group)]
    told = subprocess.run(words, stdout=subprocess.PIPE, check=False).stdout.decode()
    return [state for state in told.split() if not state.startswith("Z")]


@pytest.mark.full
def test_an_interruption_ends_every_process(tmp_path):
    words = [f"path={SCRIPTS / 'folders.py'}", MODES, "sweep=mine"]
    process = started(*words, "--", "--out_dir=models", "wait", cwd=tmp_path)
    until = time.monotonic() + 300
    while not (tmp_path / "waits").is_file() and time.monotonic() < until:
        time.sleep(0.1)
    job = int((tmp_path / "waits").read_text() or "0")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "to go on: python -m lenet_exp.script -m" in out
    assert "Traceback" not in out + err
    until = time.monotonic() + 30
    while _living(job) and time.monotonic() < until:
        time.sleep(0.1)
    assert _living(job) == []
    assert _known(tmp_path / "multirun/mine")["status"] == "KILLED"
    (made,) = [path for path in (tmp_path / "multirun/mine").iterdir() if path.is_dir()]
    assert _known(made)["status"] == "KILLED"


@pytest.mark.stackless
@pytest.mark.parametrize(("words", "said"), [
    (["path=folders.py", "out=out_dir"], "out=out_dir is not possible.\n  allowed: only with -m"),
    (["path=folders.py", "sweep=x"], "-m path=folders.py sweep=x"),
    (["-m", "path=folders.py", "precision=fp17,fp16"], "-m path=folders.py precision="),
    (["-m", "path=folders.py", "record=x"], "only without -m"),
    (["-m", "path=folders.py", "tracking.uri=none"], "a store, which a sweep needs"),
    (["-m", "path=folders.py", "out=o", "--", "--o=plain.py"], "plain.py is a file"),
    (["-m", "path=folders.py", "out=o", "--", "-o", "../.."], "holds the sweep itself"),
    (["-m", "path=folders.py", "sweep=../x"], "a name of letters"),
    *((["-m", "path=folders.py", f"out={name}"], "names of arguments of the script")
      for name in ("../x", "..", "/tmp/x", "a/b", "--", "a b", "[a,.b]", "[]")),
    (["-m", "path=folders.py", "zip(precision=fp16,origin)"], "one of path=..., module=..., "),
    (["-m", "module=../x"], "a module, as package.train"),
    (["-m", "path=folders.py", "modify_mixlist=x"],
     "-m path=folders.py precision.modify_mixlist=FILE"),
    (["-m", "path=folders.py", "keep_dtype=a", "precision.keep_dtype=b"],
     "-m path=folders.py precision.keep_dtype=b\n"),
    (["path=folders.py", "record=."], "try:     python -m lenet_exp.script path=folders.py"),
])  # fmt: skip
def test_a_wrong_line_is_refused_in_words(words, said, monkeypatch, capsys):
    monkeypatch.chdir(SCRIPTS)
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert main(words) == 2
    assert said in capsys.readouterr().err
    assert not (SCRIPTS.parent / "multirun").exists()
