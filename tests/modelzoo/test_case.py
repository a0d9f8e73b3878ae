"""One case: what its command line is refused for, and what becomes of earlier results."""

from __future__ import annotations

import os
import shlex
import sys
import time

import pytest

from lenet_exp.modelzoo import __main__ as modelzoo
from lenet_exp.modelzoo import case, flags

pytestmark = pytest.mark.stackless
CASE = f"{case.NETWORK}_bs64_1p_perf"


@pytest.mark.parametrize(
    ("typed", "told", "line"),
    [
        ("--epochs=0", "--epochs=0 is", "--epochs=5 case=full seed=1"),
        ("--epochs 0", "--epochs=0 is", "--epochs=5 case=full seed=1"),
        ("--iteration_per_loop=0", "--iteration_per_loop=0 is",
         "--iteration_per_loop=100 case=full seed=1"),
        ("schedule.epochs=0", "schedule.epochs=0 is", "case=full schedule.epochs=5 seed=1"),
        ("--epochs=3 sched.epochs=0", "sched.epochs=0 is",
         "--epochs=3 case=full schedule.epochs=0 seed=1"),
        ("--profiling True --steps 7", "--profiling=True is",
         "--profiling=False --steps=7 case=full seed=1"),
        ("init_from=nothing", "init_from=nothing is", "case=full init_from=null seed=1"),
    ],
)  # fmt: skip
def test_what_a_run_refuses_is_told_in_terms_of_what_was_typed(typed, told, line, capsys):
    assert modelzoo.main(["--data_path=.", "case=full", *typed.split(), "seed=1"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"lenet-exp: {told} not possible")
    program, flag = f"  try:     {flags.PROGRAM} ", "--data_path=."
    words = shlex.split(said.splitlines()[-1].replace(program, ""))
    assert said.splitlines()[-1].startswith(program)
    assert [word for word in words if word != flag] == line.split()
    assert "null or a whole" not in said


@pytest.mark.parametrize(("name", "code"), [("data.path=/nope", 2), ("data.path=", 2)])
def test_data_that_is_not_there_is_refused_and_not_fetched(name, code, monkeypatch, capsys):
    monkeypatch.setattr(case, "_fetch", pytest.fail)
    assert modelzoo.main(["case=full", name]) == code
    assert "data.path=" in capsys.readouterr().err


def test_the_run_is_told_what_is_meant_from_here(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(case, "train", lambda *given: told.append(given) or 0)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mix.json").write_text("{}")
    (tmp_path / "images").mkdir()
    typed = ["precision.modify_mixlist=mix.json", "data.path=images", "schedule.batch_size=128"]
    assert modelzoo.main(["case=full", *typed]) == 0
    (_, words, batch_size, _) = told[0]
    assert batch_size == 128
    for name in ("precision.modify_mixlist=mix.json", "data.path=images"):
        key, _, path = name.partition("=")
        assert [word for word in words if word.startswith(key)][-1] == f"{key}={tmp_path / path}"


@pytest.fixture
def train(tmp_path, monkeypatch):
    """Train with earlier results there; the run is a shell script of these lines."""
    output = tmp_path / "output"
    files = case.CaseFiles.of(output, "0", CASE)
    files.log.parent.mkdir(parents=True)
    for path in files[:-1]:
        path.write_text("earlier")

    def called(*lines):
        run = tmp_path / "run"
        run.write_text("\n".join(["#!/bin/sh", "for last; do :; done", *lines]))
        run.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(run))
        words = ["case=performance", f"data.path={tmp_path}", f"output={output}"]
        code = case.train(flags.read([*words, f"project={tmp_path}"]), [], 64, "0")
        return code, [path.read_text() for path in files[:-1] if path.exists()]

    return called


BEGIN = 'folder="${last#*=}"; mkdir -p "$folder"; echo > "$folder/record.jsonl"'


@pytest.mark.parametrize(("lines", "code", "results"), [
    (["exit 2"], 2, 3),  # refused
    ([BEGIN, "exit 2"], 2, 0),
    (["exit 1"], 1, 0),  # before its record begins
    ([BEGIN, "exit 1"], 1, 0),
    (["kill -KILL $$"], 137, 0),
])  # fmt: skip
def test_earlier_results_are_left_where_a_run_is_refused(lines, code, results, train):
    assert train("echo said", *lines) == (code, ["said\n", *results * ["earlier"]])


def test_nothing_is_hidden_while_a_run_is_made(train):
    assert train("ls -A output output/0", "exit 1") == (
        1, ["output:\n0\n\noutput/0:\ntrain_0.log\n"],
    )  # fmt: skip


def test_a_run_that_does_not_end_is_killed(train, monkeypatch, capsys, tmp_path):
    def interrupted(line):
        raise KeyboardInterrupt

    monkeypatch.setattr(case, "_SECONDS_TO_END", 0.2)
    monkeypatch.setattr(case, "_show", interrupted)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        train("trap '' INT TERM", f"echo $$ > {tmp_path}/id", "echo x", "sleep 20")
    assert time.monotonic() - began < 10
    assert "did not end within 0.2 s and was killed" in capsys.readouterr().err
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "id").read_text()), 0)
