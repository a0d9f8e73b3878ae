"""explain as a person types it, and the example in the documentation."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lenet_exp.config.cli.graph_options import PHASES
from lenet_exp.explain import main
from tests.precision.ir.test_load import KINDS, meta_of
from tests.precision.lenet_graph import conditional_graph, training_graph
from tests.stacks import besides_loading, full_on_tf1

ROOT = Path(__file__).resolve().parents[3]


def test_the_table_has_every_operator_within_a_hundred_columns(explain):
    text = explain("precision=allow_mix_precision")
    lines = text.splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[0] == "allow_mix_precision, CANN of today (8.1): 55 operators"
    assert "\x1b" not in text
    for name in (
        "layer_1/Conv2D + BiasAdd",
        "gradients/layer_1/Conv2D_grad/Conv2DBackpropFilter",
        "train/update_fc_3/bias/ApplyAdam",
    ):
        assert f"  {name}" in text
    assert "MaxPool - follows layer_1/Sigmoid, which is float16" in text
    assert "casts put in           27" in lines
    assert "cube FLOP in float16   100.0 % of 251.1 MFLOP" in lines


@pytest.mark.parametrize("mode", ["allow_mix_precision", "allow_fp32_to_fp16", "force_fp16"])
def test_the_summary_fits_one_screen(explain, mode):
    lines = explain(f"precision={mode}", "summary=true").splitlines()
    assert len(lines) <= 45
    assert max(map(len, lines)) <= 100
    assert lines[0].startswith(f"{mode}, ")


def test_a_run_s_own_settings_shape_the_graph(explain):
    base = explain("precision=force_fp16", "summary=true")
    assert "ApplyAdamD" in base
    other = explain("precision=force_fp16", "summary=true", "optimizer=momentum")
    assert "ApplyMomentumD" in other
    assert "ApplyAdamD" not in other
    half = explain("precision=force_fp16", "summary=true", "schedule.batch_size=32")
    assert "of 125.5 MFLOP" in half


def test_the_inference_graph_has_a_plan_of_its_own(explain):
    text = explain("precision=allow_mix_precision", "inference=true")
    assert "ArgMax" in text
    assert "BACKWARD" not in text


@full_on_tf1
def test_csv_and_json_are_pure_and_carry_every_field(explain):
    keep = "precision=must_keep_origin_dtype"
    done = explain("format=csv", keep, quiet=False)
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert len(rows) == 55
    assert rows[0]["engine"] == "refused"
    assert {row["mode"] for row in rows} == {"must_keep_origin_dtype"}
    assert "warning: Conv2D refused" in done.err
    read = json.loads(explain("format=json", "precision=force_fp16"))
    assert [row["name"] for row in read["records"]] == [row["name"] for row in rows]
    assert read["totals"]["casts"] == 122
    groups = json.loads(explain("format=json", "precision=force_fp16", "summary=true"))["groups"]
    assert sum(len(group["names"]) for group in groups) == 55
    text = explain("format=csv", "precision=force_fp16", "summary=true")
    assert len(list(csv.DictReader(io.StringIO(text)))) == len(groups)


@full_on_tf1
def test_a_difference_of_modes(explain):
    text = explain("precision=allow_mix_precision", "diff=force_fp16")
    lines = text.splitlines()
    assert max(map(len, lines)) <= 100
    (mean,) = [line for line in lines if "loss/mean (" in line]
    assert mean.split() == ["f>f", "black", "*0", "h>h", "forced", "loss/mean", "(ReduceMeanD)"]
    assert not [line for line in lines if "layer_1/Sigmoid" in line]
    (casts,) = [line for line in lines if line.startswith("casts put in")]
    assert casts.split()[3:] == ["27", "122"]
    words = ("precision=allow_mix_precision", "diff=force_fp16")
    rows = list(csv.DictReader(io.StringIO(explain(*words, "format=csv"))))
    read = json.loads(explain(*words, "format=json"))
    assert len(rows) == len(read["differences"]) == 23
    assert (rows[3]["first_types"], rows[3]["second_types"]) == ("f>f", "h>h")


@full_on_tf1
def test_a_difference_of_generations(explain):
    text = explain("precision=allow_fp32_to_fp16", "diff=2021")
    assert "allow_fp32_to_fp16, 2021" in text
    (row,) = [line for line in text.splitlines() if "fc_1/MatMul (MatMulV2)" in line]
    assert row.split()[:6] == ["hhh>h", "fp16_first", "*12", "fff>f", "keep", "*0"]
    same = explain("precision=allow_mix_precision", "hardware.cann=2021", "diff=today")
    assert "every operator has the same types and casts" in " ".join(same.split())


@pytest.fixture
def printed(capsys, monkeypatch):
    """Run the command in this process; return what it prints."""
    monkeypatch.setenv("COLUMNS", "100")

    def run(*words, code=0):
        assert main(list(words)) == code
        out, err = capsys.readouterr()
        return err if code else out

    return run


@full_on_tf1
def test_the_graph_after_every_phase(printed):
    for phase in PHASES:
        lines = printed(f"phase={phase}", "precision=allow_mix_precision").splitlines()
        assert lines[0].startswith(f"allow_mix_precision, CANN of today (8.1), after {phase}: ")
        assert max(map(len, lines)) <= 100
        listed = [line for line in lines if " layer_1/Conv2D " in line]
        assert any(line.startswith("hhh>h" if "white" in line else "ff>f") for line in listed) or (
            phase == "fuse"
        )
    assert "*012      layer_1/Conv2D + BiasAdd <- images" in "\n".join(lines)


def test_a_phase_of_a_graph_from_a_file_as_data(printed, tmp_path):
    path = tmp_path / "model.pb"
    path.write_bytes(training_graph().SerializeToString())
    words = (f"graph={path}", "fetches=[train,loss/Mean]", "precision=force_fp16")
    rows = list(csv.DictReader(io.StringIO(printed("phase=select", "format=csv", *words))))
    assert len(rows) == 55
    assert list(rows[0])[:6] == ["phase", "mode", "generation", "name", "type", "types"]
    assert {row["phase"] for row in rows} == {"select"}
    assert {row["casts"] for row in rows} == {""}
    read = json.loads(printed("phase=lower", "format=json", *words))
    (bias,) = [row for row in read["rows"] if row["name"] == "conv1/BiasAdd"]
    assert (bias["types"], bias["inputs"]) == ("ff>f", ["conv1/Conv2D", "conv1/bias"])


def test_a_phase_that_there_is_not_is_refused_with_the_list(printed):
    said = printed("phase=parse", code=2)
    assert "prune | fold_constants | prune_again | lower | fuse | select" in said


def test_what_the_chip_refuses_is_warned_of(explain):
    text = explain("precision=must_keep_origin_dtype")
    (line,) = [line for line in text.splitlines() if line.startswith("warning: Conv2D refused")]
    assert text.index(line) < text.index("FORWARD") < text.index("train/Assign_1")
    assert "warning: MaxPool AI CPU" in text


@pytest.mark.parametrize("kind", KINDS)
def test_any_graph_from_a_file(explain, tmp_path, kind):
    (tmp_path / "model.meta").write_bytes(KINDS[kind](training_graph()))
    text = explain(
        "graph=model.meta", "precision=allow_mix_precision", "fetches=[train,loss/Mean:0]"
    )
    assert "conv1/Conv2D + BiasAdd" in text
    assert "casts put in           27" in text


def test_a_meta_graph_s_collections_choose_and_fetches_override(explain, tmp_path):
    meta = meta_of(training_graph(), train_op=["train"], losses=["loss/Mean"])
    (tmp_path / "model.ckpt.meta").write_bytes(meta.SerializeToString())
    words = ("graph=model.ckpt.meta", "precision=force_fp16", "summary=true")
    assert "casts put in           122" in explain(*words)
    assert "ApplyAdamD" not in explain(*words, "fetches=loss/Mean")


def test_the_chip_s_files_count_for_any_graph(explain, tmp_path):
    (tmp_path / "model.pb").write_bytes(training_graph().SerializeToString())
    switches = {"Switch": {"GraphFusion": {"MatMulBiasAddFusionPass": "off"}}}
    (tmp_path / "off.json").write_text(json.dumps(switches))
    words = ("graph=model.pb", "fetches=train", "hardware=ascend910", "format=csv")
    rows = explain(*words, "hardware.fusion_switch_file=off.json").splitlines()
    assert len(rows) == len(explain(*words).splitlines()) + 3  # the biases of three products


def test_a_graph_written_on_a_chip(explain, tmp_path):
    (tmp_path / "chip.pb").write_bytes(conditional_graph().SerializeToString())
    words = ("graph=chip.pb", "precision=allow_fp32_to_fp16", "fetches=[update/Merge,loss/Mean]")
    done = explain(*words, quiet=False)
    assert "NPUGetFloatStatus" in done.out
    assert "casts put in           45" in done.out
    assert max(map(len, done.out.splitlines())) <= 100


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param(["graph=nope.pb"], ["nope.pb", "no such file", ".meta"], id="no file"),
        pytest.param(["graph=garbage.pb"], ["garbage.pb", "no TensorFlow graph"], id="garbage"),
        pytest.param(["graph=."], ["it is a folder"], id="folder"),
        pytest.param(
            ["graph=good.pb", "fetches=[Mean]"],
            ["fetch Mean", "no such node", "loss/Mean"],
            id="no such fetch",
        ),
        pytest.param(["sumary=true"], ["summary is one"], id="own key"),
        pytest.param(["precision=mix"], ["allow_mix_precision"], id="mode"),
        pytest.param(["seed=0,1"], ["one value"], id="sweep"),
    ],
)
def test_what_is_wrong_is_told_in_words(explain, tmp_path, words, told):
    (tmp_path / "garbage.pb").write_bytes(b"\x00garbage\xff" * 9)
    (tmp_path / "good.pb").write_bytes(training_graph().SerializeToString())
    done = explain(*words, code=2, quiet=False)
    assert done.out == ""
    assert done.err.startswith("lenet-exp: ")
    for part in told:
        assert part in done.err


@full_on_tf1
def test_a_reader_that_leaves_early_is_no_error(project):
    with subprocess.Popen(
        project.command("precision=force_fp16", verb="explain"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        child.stdout.close()
        assert besides_loading(child.stderr.read()) == ""
    assert child.returncode == 0


@full_on_tf1
@pytest.mark.parametrize(
    ("settings", "coloured"),
    [
        ({"TERM": "xterm"}, True),
        pytest.param({"TERM": "xterm", "NO_COLOR": "1"}, False, marks=pytest.mark.full),
        pytest.param({"TERM": "dumb"}, False, marks=pytest.mark.full),
    ],
)
def test_a_terminal_s_width_and_colours_are_used(project, settings, coloured):
    ours, theirs = pty.openpty()
    left_out = ("COLUMNS", "LINES", "TERM", "NO_COLOR")
    environment = {k: v for k, v in os.environ.items() if k not in left_out}
    environment.update(settings)
    subprocess.run(["stty", "cols", "80"], stdin=theirs, check=True)
    with subprocess.Popen(
        project.command("precision=force_fp16", "summary=true", verb="explain"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
    ) as child:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # the other end is closed
            while True:
                shown += os.read(ours, 65536)
    os.close(ours)
    assert child.returncode == 0
    assert bool(re.search("\x1b[[][0-9;]*m", shown.decode())) is coloured
    lines = re.sub("\x1b[[][0-9;]*m", "", shown.decode()).splitlines()
    assert max(map(len, lines)) <= 80
    assert any(len(line) > 70 for line in lines)


def test_the_help_names_every_word(explain):
    text = explain("--help")
    for word in (
        "phase=",
        "diff=",
        "summary=",
        "format=",
        "graph=",
        "fetches=",
        "only=",
        "without=",
        "group=",
        "batch=",
        "shapes=",
        "inference=",
        "cann=",
    ):
        assert word in text
    assert max(map(len, text.splitlines())) <= 100


@full_on_tf1
def test_the_example_shows_and_trains_three_networks_under_every_mode():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(ROOT / "docs" / "examples" / "your_own_network.py")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    blocks = done.stdout.split("\n  must_keep")
    assert len(blocks) == 4
    for network in ("residual block", "perceptron", "lstm step"):
        assert f"{network}\n  allow_mix_precision " in done.stdout
    assert "ReluGradV2" in done.stdout
    assert "ApplyMomentumD" in done.stdout.split("perceptron")[1].split("force_fp16")[1]
    assert "refused by the chip: Conv2D" in done.stdout
    losses = re.findall(r"^    loss ([\d.]+), after 20 steps ([\d.]+)$", done.stdout, re.MULTILINE)
    assert len(losses) == 15  # three networks in five modes, none of which overflows
    assert all(float(last) < 0.95 * float(first) for first, last in losses)
    assert max(map(len, done.stdout.splitlines())) <= 100
