"""What a shell completes, as the command and a real bash answer."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from lenet_exp import completion
from lenet_exp.__main__ import VERBS, main

pytestmark = pytest.mark.stackless
MODES = [
    "allow_fp32_to_fp16", "allow_mix_precision", "force_fp16", "force_fp32",
    "must_keep_origin_dtype",
]  # fmt: skip
BEGUN = ["precision=force_fp16", "precision=force_fp32", "precision=fp16"]  # with f
EXACTLY = [
    ("lenet-exp e", ["explain", "export"]),
    ("  lenet-exp   ex", ["explain", "export"]),
    ("lenet-exp --v", ["--version"]),
    ("lenet-exp nope ", []),
    ("lenet-exp doctor ", []),
    # a run: groups, their options, keys, the words of a key
    ("lenet-exp run prec", ["precision.", "precision="]),
    ("lenet-exp run precision=", [f"precision={mode}" for mode in MODES]),
    ("lenet-exp run -m seed=1 loss_scale=f", ["loss_scale=fixed"]),
    ("lenet-exp run --cfg job precision.trace", ["precision.trace_overflow="]),
    ("lenet-exp run hardware=cpu hardware.cann=", ["hardware.cann=2021", "hardware.cann=today"]),
    ("lenet-exp run optimizer=sgd optimizer.m", []),
    ("lenet-exp run resume=", ["resume=latest"]),
    ("lenet-exp run -", ["--cfg", "--config-dir", "--help", "--version", "-m"]),
    ("lenet-exp run nokey=1 precision=f", BEGUN),
    ("lenet-exp run --nope precision=f", []),
    ("lenet-exp run 'x precision=f", []),
    # the other verbs: their own keys, and what they take of a run
    ("lenet-exp explain su", ["summary="]),
    ("lenet-exp explain summary=", ["summary=false", "summary=true"]),
    ("lenet-exp explain summary=true precision=f", BEGUN),
    ("lenet-exp run precision=fp16 precision=mixed", ["precision=mixed_float16"]),
    ("lenet-exp explain diff=c", ["diff=cube_fp16in_fp32out"]),
    ("lenet-exp explain phase=p", ["phase=prune", "phase=prune_again"]),
    ("lenet-exp explain group=", ["group=scope", "group=type"]),
    ("lenet-exp explain only=fl", ["only=float16", "only=float32"]),
    ("lenet-exp explain without=cast,ref", ["without=cast,refused"]),
    (
        "lenet-exp compare ",
        ["reference=", "require_accuracy=", "runs=", "sweep=", "tracking.experiment=",
         "tracking.uri="],
    ),
    ("lenet-exp compare precision", []),
    ("lenet-exp export run=", ["run=latest"]),
    ("lenet-exp predict images=m", ["images=mnist"]),
    ("lenet-exp predict prec", ["precision.", "precision="]),
    ("lenet-exp predict opt", []),
    ("lenet-exp modelzoo --precision_mode=f", [f"--{x.replace('=', '_mode=')}" for x in BEGUN]),
    ("lenet-exp modelzoo case=p", ["case=performance"]),
]  # fmt: skip


@pytest.fixture(autouse=True)
def own_process(monkeypatch):
    monkeypatch.setenv("COMP_LINE", "")
    monkeypatch.setattr(sys, "argv", ["lenet-exp"])


@pytest.mark.parametrize(("line", "expected"), EXACTLY)
def test_a_line_goes_on_so(line, expected, capsys):
    assert completion.candidates(line, VERBS) == expected
    assert capsys.readouterr() == ("", "")


def test_every_verb_is_offered():
    assert completion.candidates("lenet-exp", VERBS) == completion.candidates("lenet-exp ", VERBS)
    assert {*VERBS} <= {*completion.candidates("lenet-exp ", VERBS)}


@pytest.mark.parametrize("verb", ["run data.path", "explain graph", "export to"])
def test_a_path_is_completed_after_any_key(verb, tmp_path):
    (tmp_path / "mine").mkdir()
    expected = verb.split()[1] + "=./mine"
    assert completion.candidates(f"lenet-exp {verb}=./m", VERBS) == [expected]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_completes_our_program(shell, capsys, monkeypatch):
    assert main(["-sc", f"install={shell}"]) == 0
    said = capsys.readouterr().out
    assert main(["run", "-sc", f"install={shell}"]) == 0
    assert capsys.readouterr().out == said
    assert any("complete " in line and "lenet-exp" in line for line in said.splitlines())
    monkeypatch.setenv("COMP_LINE", "lenet-exp expl")
    assert main(["-sc", f"query={shell}"]) == 0
    assert capsys.readouterr().out == "explain\n"


REFUSED = [
    "  allowed: install= or uninstall=bash, zsh, fish",
    "  try:     lenet-exp -sc install=bash",
]


@pytest.mark.parametrize("words", [[], ["install=tcsh"], ["query"], ["install=bash", "x"]])
def test_another_shell_is_refused_in_words(words, capsys):
    assert main(["-sc", *words]) == 2
    shown, problems = capsys.readouterr()
    assert (shown, problems.splitlines()[1:]) == ("", REFUSED)


PRESS_TAB = """
eval "$(lenet-exp -sc install=bash)"
while read -r line; do
    COMP_LINE=$line COMP_POINT=${#line} COMP_WORDS=($line)
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    COMPREPLY=()
    "$(complete -p lenet-exp | grep -o 'F [a-z_]*' | cut -c3-)" lenet-exp
    echo "${COMPREPLY[@]}"
done
"""


@pytest.mark.slow
def test_a_bash_that_was_given_the_script_completes(tmp_path):
    program = tmp_path / "lenet-exp"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m lenet_exp "$@"\n')
    program.chmod(0o755)
    done = subprocess.run(
        ["bash", "--norc", "-c", PRESS_TAB],
        input="lenet-exp expl\nlenet-exp run precision=force_fp1\nlenet-exp explain diff=2\n",
        env={**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["explain", "precision=force_fp16", "diff=2021"]
