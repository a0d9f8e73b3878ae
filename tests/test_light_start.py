"""Asking and refusing load nothing heavy, on either stack."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys

import pytest

# Each line in turn: what was loaded for one would be there for the next.
PROBE = """
import importlib, json, sys
main = importlib.import_module("lenet_exp." + sys.argv[1]).main
for words in json.loads(sys.argv[2]):
    sys.argv = ["verb", *words]
    try:
        code = main()
    except SystemExit as error:
        code = error.code or 0
    heavy = {"tensorflow", "mlflow", "npu_bridge", "numpy", "matplotlib"} & set(sys.modules)
    print("HEAVY", sorted(heavy), "CODE", code)
"""
RUN = [
    (["--help"], 0),
    (["--version"], 0),
    (["nokey=1"], 2),
    (["schedule.batch_size=0"], 2),
    (["-m", "seed=0,x"], 2),  # a sweep with one bad job
    (["hardware=ascend910"], 2),  # no chip here
    (["init_from=nothing"], 2),
    (["--cfg", "job"], 0),
]
LINES = {
    "run": RUN,
    "explain": [
        (["--help"], 0),
        (["sumary=true"], 2),
        (["diff=nope"], 2),
        (["precision=nope"], 2),
        (["loss_scale=fixed", "graph=FILE"], 2),  # not of that graph
    ],
    "compare": [(["--help"], 0), (["sweeps=x"], 2)],
    "sweep.__main__": [(["--help"], 0), (["nothing"], 2), (["sweep=nothing"], 2)],
    "export": [(["--help"], 0), (["run=nothing"], 2)],
    "predict": [(["--help"], 0), (["model=latest", "images=x", "precision=nope"], 2)],
    "modelzoo.__main__": [(["--help"], 0), (["case=full", "--data_path=.", "--epochs=0"], 2)],
    "advise.__main__": [(["--help"], 0), (["target=cosine>=2"], 2), (["modes=nope"], 2)],
    "diagnose.__main__": [(["--help"], 0), (["feeds=x.npz"], 2), (["run=x", "graph=y"], 2)],
    "doctor": [(["--help"], 0), (["--version"], 0), (["all=true"], 2)],
    "fetch_mnist": [(["--path=x"], 2)],
    "rerun": [(["run=nothing"], 2)],
    "upload": [(["run=nothing", "uri=x"], 2)],
}
# What comes after the first lines says what is loaded by then.
ANNOUNCING = """
import sys, types
def told(*_):
    heavy = {"tensorflow", "mlflow", "npu_bridge", "numpy", "matplotlib"} & set(sys.modules)
    print("HEAVY", sorted(heavy))
    return [0.0, 0.0]
for name, function in (("experiment.run", "run_experiment"), ("sweep.sweep", "run_sweep")):
    stub = types.ModuleType("lenet_exp." + name)
    setattr(stub, function, told)
    sys.modules[stub.__name__] = stub
from lenet_exp import run
sys.exit(run.main(sys.argv[1:]))
"""
BOTH_STACKS = ("run", "explain")


@pytest.mark.parametrize(
    "verb",
    [
        pytest.param(verb, marks=[] if verb in BOTH_STACKS else [pytest.mark.stackless])
        for verb in LINES
    ],
)
def test_verbs_ask_and_refuse_without_anything_heavy(verb):
    typed = json.dumps([words for words, _ in LINES[verb]])
    done = subprocess.run(
        [sys.executable, "-c", PROBE, verb, typed], stdout=subprocess.PIPE, text=True, check=True
    )
    found = [line for line in done.stdout.splitlines() if line.startswith("HEAVY")]
    assert found == [f"HEAVY [] CODE {code}" for _, code in LINES[verb]]


VERSION = re.compile(
    r"lenet-exp [\d.]+ \(TensorFlow [\d.]+, MLflow [\d.]+, Hydra [\d.]+, Python [\d.]+\)\n"
)
WHERE_ASKED = [
    ("lenet_exp.__main__", ["--version"]),
    *((f"lenet_exp.{verb}", ["--version"]) for verb in LINES),
    ("lenet_exp.run", ["-m", "seed=0,1", "--version"]),
    ("lenet_exp.explain", ["precision=nope", "--version"]),
]


@pytest.mark.stackless
@pytest.mark.parametrize(("module", "words"), WHERE_ASKED)
def test_every_verb_says_the_same_version(module, words, capsys):
    assert importlib.import_module(module).main(words) == 0
    shown, problems = capsys.readouterr()
    assert VERSION.fullmatch(shown)
    assert problems == ""


@pytest.mark.parametrize(
    ("words", "first"),
    [
        (["schedule=smoke"], "allow_mix_precision, loss_scale none, adam, seed 0: 1 x 20 steps"),
        (["-m", "schedule=smoke", "seed=0,1"], "2 jobs, recorded in ./ml"),
    ],
)
def test_the_first_line_comes_before_anything_heavy(words, first, tmp_path):
    command = [sys.executable, "-c", ANNOUNCING, *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=str(tmp_path))
    lines = done.stdout.splitlines()
    assert lines[0].startswith(first)
    assert lines[-1] == "HEAVY []"


@pytest.mark.stackless
def test_help_explains_every_group_with_examples():
    done = subprocess.run(
        [sys.executable, "-m", "lenet_exp.run", "--help"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    groups = "precision loss_scale optimizer hardware data schedule tracking experiment debug"
    for word in [*groups.split(), "force_fp16", "mlflow ui", "schedule=smoke", "-m"]:
        assert word in done.stdout
