"""Asking and refusing load nothing heavy, on either stack."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROBE = """
import sys
sys.argv = ["run"] + sys.argv[1:]
try:
    from lenet_exp.run import main
    code = main()
except SystemExit as error:
    code = error.code or 0
heavy = {"tensorflow", "mlflow", "npu_bridge", "numpy", "matplotlib"} & set(sys.modules)
print("HEAVY", sorted(heavy), "CODE", code)
"""


EXPLAIN = PROBE.replace("lenet_exp.run", "lenet_exp.explain")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        pytest.param(["--help"], 0, id="help"),
        pytest.param(["sumary=true"], 2, id="a key misspelt"),
        pytest.param(["diff=nope"], 2, id="no such mode"),
        pytest.param(["precision=nope"], 2, id="no such option"),
        pytest.param(["loss_scale=fixed", "graph=FILE"], 2, id="not of that graph"),
    ],
)
def test_explain_refuses_without_anything_heavy(words, code):
    done = subprocess.run(
        [sys.executable, "-c", EXPLAIN, *words], stdout=subprocess.PIPE, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == f"HEAVY [] CODE {code}"


@pytest.mark.parametrize(("words", "code"), [(["--help"], 0), (["sweeps=x"], 2)])
def test_compare_refuses_without_anything_heavy(words, code):
    done = subprocess.run(
        [sys.executable, "-c", PROBE.replace("lenet_exp.run", "lenet_exp.compare"), *words],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == f"HEAVY [] CODE {code}"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        pytest.param(["--help"], 0, id="help"),
        pytest.param(["--cfg", "job"], 0, id="cfg job"),
        pytest.param(["nokey=1"], 2, id="unknown key"),
        pytest.param(["schedule.batch_size=0"], 2, id="impossible value"),
        pytest.param(["-m", "seed=0,x"], 2, id="a sweep with one bad job"),
        pytest.param(["hardware=ascend910"], 2, id="no chip here"),
    ],
)
def test_asking_and_refusing_import_nothing_heavy(words, code):
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *words], stdout=subprocess.PIPE, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == f"HEAVY [] CODE {code}"


@pytest.mark.parametrize(
    ("verb", "words", "code"),
    [
        ("export", ["--help"], 0),
        ("export", ["run=nothing"], 2),
        ("predict", ["--help"], 0),
        ("predict", ["model=latest", "images=x", "precision=nope"], 2),
        ("modelzoo.__main__", ["--help"], 0),
        ("modelzoo.__main__", ["case=full", "--data_path=.", "--epochs=0"], 2),
        ("doctor", ["--help"], 0),
        ("doctor", ["all=true"], 2),
        ("fetch_mnist", ["--path=x"], 2),
        ("rerun", ["run=nothing"], 2),
        ("upload", ["run=nothing", "uri=x"], 2),
        ("run", ["init_from=nothing"], 2),
    ],
)
def test_verbs_ask_and_refuse_without_anything_heavy(verb, words, code):
    probe = PROBE.replace("lenet_exp.run", f"lenet_exp.{verb}")
    done = subprocess.run(
        [sys.executable, "-c", probe, *words], stdout=subprocess.PIPE, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == f"HEAVY [] CODE {code}"


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
