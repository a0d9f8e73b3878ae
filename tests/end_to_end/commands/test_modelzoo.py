"""The ModelZoo's scripts: what they leave is what its own parsing reads."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.stacks import FULL_ON_TF1, besides_loading, full_on_tf1

ROOT = Path(__file__).resolve().parents[3]
CASE = "LeNet_ID0127_for_TensorFlow_bs64_1p_perf"

# The original scripts' own way through their log (npu-bridge-contract.md, 6).
PARSING = r"""
log=$1
time=$(grep "sec/step :" "$log" | awk 'NR > 1 {print $9}' | awk '{sum += $1} END {print sum / NR}')
echo "TrainingTime $(awk 'BEGIN {printf "%.2f\n", '"$time"' * 1000}')"
grep "loss :" "$log" | awk '{print $7}' | awk -F "--" '{print $1}' > "$log.losses"
echo "ActualLoss $(tail -n 1 "$log.losses")"
echo "TrainAccuracy $(grep "Accuracy" "$log" | awk '{print $5}')"
"""


class Clone:
    """The scripts in a folder of their own, over the environment of this test."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "scripts").mkdir()
        for name in ("train_full_1p.sh", "train_performance_1p.sh"):
            shutil.copy(str(ROOT / "scripts" / name), str(folder / "scripts" / name))
        # What making an environment prints where it is made already.
        self.python = folder / "python"
        self.python.write_text(f"#!/bin/sh\necho {sys.prefix}\n")
        self.python.chmod(0o755)

    def command(self, script, *words):
        return ["sh", "+x", script, *words]

    @property
    def environment(self):
        kept = {key: value for key, value in os.environ.items() if key != "ASCEND_DEVICE_ID"}
        return {**kept, "PYTHON": str(self.python)}

    def run(self, script, *words, **environment):
        return subprocess.run(
            self.command(script, *words),
            cwd=str(self.folder / "scripts"),
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def done(tmp_path_factory, mnist_folder):
    """A short training by the script for performance, as the ModelZoo documents it."""
    clone = Clone(tmp_path_factory.mktemp("clone"))
    (clone.folder / "MNIST").symlink_to(mnist_folder, target_is_directory=True)
    words = ("--data_path=../MNIST", "--steps=60", "--epochs=2", "seed=4")
    return clone, clone.run("train_performance_1p.sh", *words)


def values_of(clone):
    text = (clone.folder / "scripts" / "output" / "0" / f"{CASE}.log").read_text()
    return dict(line.split(" = ") for line in text.splitlines())


@full_on_tf1
def test_every_file_is_where_the_original_has_it(done):
    clone, ended = done
    assert (ended.returncode, ended.stderr) == (0, "")
    output = clone.folder / "scripts" / "output"
    assert sorted(str(p.relative_to(output)) for p in output.rglob("*") if p.is_file()) == [
        f"0/{CASE}.log",
        "0/train_0.log",
        f"0/train_{CASE}_loss.txt",
        "ckpt_npu/checkpoint",
        "ckpt_npu/mode.ckpt.data-00000-of-00001",
        "ckpt_npu/mode.ckpt.index",
        "performance_precision.txt",
    ]
    result = (output / "performance_precision.txt").read_bytes().decode()
    pattern = (
        r"Final Accuracy accuracy : 0\.\d{4}\r\n"
        r"Final Performance ms/step : \d+\.\d{4}\r\n"
        r"Final Training Duration sec : \d+\.\d{4}\r\n"
    )
    assert re.fullmatch(pattern, result)


def test_the_log_has_a_line_for_each_loop(done):
    clone = done[0]
    log = (clone.folder / "scripts" / "output" / "0" / "train_0.log").read_text().splitlines()
    lines = [line for line in log if "sec/step :" in line]
    form = r"epoch : (\d+)----step : (\d+)----loss : \d+\.\d+----sec/step : 0\.\d+"
    found = [tuple(map(int, re.fullmatch(form, line).groups())) for line in lines]
    assert found == [(epoch, step) for epoch in (0, 1) for step in range(0, 60, 10)]
    (folder,) = (clone.folder / "outputs").iterdir()
    with np.load(str(folder / "checkpoints" / "120" / "state.npz")) as kept:
        losses, seconds = kept["losses"][9::10], kept["window_seconds"] / 10
    for line, loss, each in zip(lines, losses, seconds):
        assert float(line.split()[6].split("--")[0]) == pytest.approx(loss, abs=1e-6)
        assert float(line.split()[8]) == pytest.approx(each, abs=1e-6)
    assert log[-4] == f"accuracy : {values_of(clone)['TrainAccuracy']}"


def test_the_original_s_parsing_reads_what_the_case_log_says(done, tmp_path):
    clone = done[0]
    log = tmp_path / "train_0.log"
    shutil.copy(str(clone.folder / "scripts" / "output" / "0" / "train_0.log"), str(log))
    parsed = subprocess.run(
        ["sh", "-c", PARSING, "sh", str(log)], capture_output=True, text=True, check=True
    )
    found = dict(line.split() for line in parsed.stdout.splitlines())
    said = values_of(clone)
    assert float(found["TrainingTime"]) == pytest.approx(float(said["TrainingTime"]), abs=0.011)
    assert found["ActualLoss"] == said["ActualLoss"]
    assert found["TrainAccuracy"] == said["TrainAccuracy"]
    losses = clone.folder / "scripts" / "output" / "0" / f"train_{CASE}_loss.txt"
    assert Path(f"{log}.losses").read_text() == losses.read_text()


def test_the_case_log_has_the_keys_and_the_screen_the_figures(done):
    clone, ended = done
    said = values_of(clone)
    assert list(said) == [
        "Network", "RankSize", "BatchSize", "DeviceType", "CaseName", "ActualFPS", "TrainingTime",
        "ActualLoss", "TrainAccuracy", "Accuracy", "E2ETrainingTime", "Hardware",
    ]  # fmt: skip
    assert said["DeviceType"] == platform.machine()
    assert said["CaseName"] == CASE
    assert said["Hardware"] == "cpu, precision mode emulated"
    fps = float(said["ActualFPS"])
    assert fps == pytest.approx(64 * 1000 / float(said["TrainingTime"]), rel=0.01)
    assert ended.stdout.splitlines()[-3:] == [
        f"Final Performance images/sec : {said['ActualFPS']}",
        f"Final Train Accuracy : {said['TrainAccuracy']}",
        f"E2E Training Duration sec : {said['E2ETrainingTime']}",
    ]


def test_the_run_is_like_any_other_and_accuracy_is_over_all_test_images(done, mnist_folder):
    from lenet_exp.data import mnist

    clone = done[0]
    (folder,) = (clone.folder / "outputs").iterdir()
    with np.load(str(folder / "test_predictions.npz")) as kept:
        right = np.mean(kept["classes"] == mnist.load(mnist_folder).test.labels)
    assert values_of(clone)["Accuracy"] == f"{right:.4f}"
    stores = {"mlruns", "mlflow.db"}
    assert stores & {path.name for path in clone.folder.iterdir()}


@full_on_tf1
def test_its_checkpoint_starts_another_run_and_predicts(done, capsys):
    from lenet_exp.config.checkpoint_path import prefix_named
    from lenet_exp.predict import main

    folder = done[0].folder / "scripts" / "output" / "ckpt_npu"
    assert str(prefix_named(str(folder))) == str(folder / "mode.ckpt")
    assert main([f"model={folder}", "images=mnist"]) == 0
    assert "accuracy 0." in capsys.readouterr().out


@full_on_tf1
def test_a_training_that_is_refused_says_so_and_leaves_earlier_results(done, tmp_path):
    clone = done[0]
    output = tmp_path / "output"
    shutil.copytree(str(clone.folder / "scripts" / "output"), str(output))
    (tmp_path / "data").mkdir()
    for name in ("train-images", "t10k-images"):
        (tmp_path / "data" / f"{name}-idx3-ubyte").write_text("damaged")
    for name in ("train-labels", "t10k-labels"):
        (tmp_path / "data" / f"{name}-idx1-ubyte").write_text("damaged")
    words = (f"--data_path={tmp_path / 'data'}", f"output={output}", f"project={tmp_path}")
    ended = clone.run("train_performance_1p.sh", *words)
    assert ended.returncode == 2
    assert "is too short for an idx file" in ended.stdout
    assert "Traceback" not in ended.stdout + ended.stderr
    kept, before = (
        {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (output, clone.folder / "scripts" / "output")
    )
    log, _ = kept.pop("train_0.log"), before.pop("train_0.log")
    assert b"is too short for an idx file" in log  # of this call
    assert kept == before


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "--data_path is missing"),
        pytest.param(
            ("--data_path=.", "--batch_size=0"),
            "--batch_size=0 is not possible",
            marks=FULL_ON_TF1,
        ),
    ],
)
def test_a_wrong_flag_is_told_and_nothing_is_touched(done, words, told):
    clone = done[0]
    before = (clone.folder / "scripts" / "output" / "0" / "train_0.log").read_text()
    ended = clone.run("train_full_1p.sh", *words)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert told in ended.stderr
    assert (clone.folder / "scripts" / "output" / "0" / "train_0.log").read_text() == before


@full_on_tf1
def test_a_device_that_is_none_is_told(done):
    ended = done[0].run("train_full_1p.sh", "--data_path=.", ASCEND_DEVICE_ID="../x")
    assert ended.returncode == 2
    assert "ASCEND_DEVICE_ID=../x is not possible" in ended.stderr


@pytest.mark.full
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_training_that_is_stopped_ends_as_killed_and_says_how_to_go_on(done, number, code):
    clone = done[0]
    with subprocess.Popen(
        clone.command("train_full_1p.sh", "--data_path=../MNIST"),
        cwd=str(clone.folder / "scripts"),
        env=clone.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as child:
        printed = []
        for line in child.stdout:
            printed.append(line)
            if line.startswith("epoch 1/5 step 20/"):
                child.send_signal(number)
    assert child.returncode == code
    assert "Traceback" not in "".join(printed)
    assert "epoch 1/5 step 1000/" not in "".join(printed)
    newest = max((clone.folder / "outputs").iterdir(), key=lambda path: path.stat().st_mtime)
    entries = [json.loads(line) for line in (newest / "record.jsonl").read_text().splitlines()]
    assert [e["values"]["status"] for e in entries if e["kind"] == "status"][-1] == "KILLED"


@pytest.mark.full
def test_a_reader_that_leaves_does_not_end_the_training(done, tmp_path):
    clone = done[0]
    words = ("--data_path=../MNIST", "--steps=20", f"output={tmp_path}")
    with subprocess.Popen(
        clone.command("train_performance_1p.sh", *words),
        cwd=str(clone.folder / "scripts"),
        env=clone.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        child.stdout.readline()
        child.stdout.close()
        assert besides_loading(child.stderr.read()) == ""
    assert child.returncode == 0
    assert (tmp_path / "performance_precision.txt").exists()


def test_help_names_every_flag(capsys):
    from lenet_exp.modelzoo.__main__ import main
    from lenet_exp.modelzoo.flags import FLAGS

    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert main([]) == 0
    assert capsys.readouterr().out == shown
    assert [name for name in FLAGS if f"--{name} " not in shown] == []


@pytest.mark.full
def test_from_a_clean_clone_both_scripts_run_as_the_modelzoo_documents(tmp_path):
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    for name, kind in (("full", "acc"), ("performance", "perf")):
        began = time.monotonic()
        ended = subprocess.run(
            ["sh", "+x", f"train_{name}_1p.sh", "--data_path=../MNIST"],
            cwd=str(clone / "scripts"),
            env={**os.environ, "PYTHON": sys.executable},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        case = f"LeNet_ID0127_for_TensorFlow_bs64_1p_{kind}"
        text = (clone / "scripts" / "output" / "0" / f"{case}.log").read_text()
        said = dict(line.split(" = ") for line in text.splitlines())
        assert float(said["E2ETrainingTime"]) <= time.monotonic() - began + 1
        if name == "full":
            assert float(said["TrainAccuracy"]) >= 0.975
    status = subprocess.run(
        ["git", "status", "--porcelain"], cwd=str(clone), capture_output=True, text=True, check=True
    )
    assert status.stdout == ""
