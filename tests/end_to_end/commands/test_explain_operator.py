"""explain of one operator, as a person types it, and what it prints to apply a change."""

from __future__ import annotations

import json
import shlex
import subprocess

import pytest

from tests.precision.lenet_graph import training_graph
from tests.stacks import FULL_ON_TF1

pytestmark = FULL_ON_TF1  # there test_explain.py explains

SIGMOID = "operator=layer_1/Sigmoid"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def applied(explain, command, *more):
    """Do what a printed line does, its last command within this process; return its words."""
    written, _, last = command.rpartition(" && ")
    if written:
        subprocess.run(["sh", "-c", written], check=True)
    words = shlex.split(last)
    assert words[:2] == ["python", "-m"]
    kept = [word for word in words[3:] if not word.startswith("operator=")]
    return explain(*kept, *more)


def test_the_chain_and_the_changes_are_printed(explain):
    lines = explain(SIGMOID).splitlines()
    assert (
        lines[0]
        == "layer_1/Sigmoid (Sigmoid) is float16, h>h in allow_mix_precision, CANN of today"
    )
    assert "  list    Conv2D hhh>h: on the white list of the operator library" in lines
    assert "     layer_1/Sigmoid::InputDtype:float32,OutputDtype:float32" in lines
    assert any("casts 27 -> 31, cube FLOP in float16" in line for line in lines)


@pytest.mark.parametrize("before", [pytest.param(False, marks=pytest.mark.full), True])
def test_each_printed_line_does_what_it_says(explain, tmp_path, before):
    words = []
    if before:
        (tmp_path / "own.txt").write_text("layer_1/Sigmoid::InputDtype:float16,OutputDtype:\n")
        (tmp_path / "own.json").write_text('{"black-list": {"to-add": ["Sigmoid", "Conv2D"]}}')
        words = ["precision.customize_dtypes=own.txt", "precision.modify_mixlist=own.json"]
        words += ["precision.keep_dtype=[fc_1,layer_2/Sigmoid]", "schedule.batch_size=8"]
    found = json.loads(explain(SIGMOID, "format=json", *words))
    kinds = [change["kind"] for change in found["changes"]]
    assert kinds[0] == "customize_dtypes"
    assert {"customize_dtypes of a type", "precision"} <= {*kinds} or before
    for change in found["changes"]:
        made = json.loads(applied(explain, change["command"], SIGMOID, "format=json"))
        assert [made["operator"][side] for side in ("inputs", "outputs")] == [
            change["inputs"], change["outputs"],
        ]  # fmt: skip
        assert made["casts"] == change["casts"]
        assert ("float16" in made["operator"]["inputs"]) is not (
            "float16" in found["operator"]["inputs"]
        )


def test_of_a_graph_the_command_explains_it_again(explain, tmp_path):
    (tmp_path / "my net.pb").write_bytes(training_graph().SerializeToString())
    graph = ["graph=my net.pb", "fetches=[train,loss/Mean]", "operator=conv1/Sigmoid"]
    found = json.loads(explain(*graph, "format=json"))
    line = found["changes"][0]["command"].rpartition(" && ")[2]
    assert line.startswith(
        "python -m lenet_exp.explain 'graph=my net.pb' 'fetches=[train,loss/Mean]'"
    )
    again = json.loads(applied(explain, found["changes"][0]["command"], *graph[2:], "format=json"))
    assert again["operator"]["outputs"] == ["float32"]


def test_a_name_that_is_none_is_answered_with_those_near(explain):
    done = explain("operator=layer1/Sigmoid", code=2, quiet=False)
    assert done.out == ""
    assert "try: operator=layer_1/Sigmoid" in done.err


@pytest.mark.parametrize(
    ("mode", "name"),
    [
        ("force_fp16", "loss/Mean"),
        pytest.param("must_keep_origin_dtype", "conv1/Sigmoid", marks=pytest.mark.full),
    ],
)
def test_of_tensors_that_are_fetched_each_printed_line_flips_it(explain, tmp_path, mode, name):
    (tmp_path / "net.pb").write_bytes(training_graph().SerializeToString())
    graph = ["graph=net.pb", "fetches=[train,loss/Mean:0]", f"precision={mode}"]
    asked = [f"operator={name}", "format=json"]
    found = json.loads(explain(*graph, *asked))
    assert "allow_mix_precision" in {each["entry"] for each in found["changes"]}
    for change in found["changes"]:
        made = json.loads(applied(explain, change["command"], *asked))
        assert made["operator"]["outputs"] == change["outputs"]
