"""What a run refuses leaves the folder it was started in as it was."""

from __future__ import annotations

import dataclasses
import json
import os
import sys

import numpy as np
import pytest
from omegaconf import OmegaConf

from lenet_exp import cli, rerun, run
from lenet_exp.config.cli.command_line import settings_to_explain

pytestmark = pytest.mark.stackless


@pytest.fixture
def typed(monkeypatch):
    monkeypatch.setattr(cli, "handle_signals", lambda: None)
    monkeypatch.setattr(sys, "argv", ["lenet_exp/run.py"])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    return lambda *words: run.main(list(words))


def small_set(path):
    arrays = {"x": np.full((24, 28, 28), 9, np.uint8), "y": np.zeros(24, np.uint8)}
    np.savez(
        str(path), **{f"{k}_{part}": a for k, a in arrays.items() for part in ("train", "test")}
    )


MIXLIST = ("precision=allow_mix_precision", "precision.modify_mixlist=FILE")
CUSTOM = ("precision=force_fp16", "precision.customize_dtypes=FILE")
REFUSED = [
    (("data.path=FILE",), "garbage", "FILE: is no npz"),
    (("-m", "data.path=FILE", "seed=0,1"), "garbage", "FILE: is no npz"),
    (("data.path=gone",), "", "exists"),
    (MIXLIST, "no JSON", "it is no JSON"),
    (MIXLIST, '{"red-list": {}}', 'it has the key "red-list"'),
    (("-m", *MIXLIST, "seed=0,1"), "[", "it is no JSON"),
    (CUSTOM, "what", "is not of the form"),
    (("precision=force_fp16", "precision.customize_dtypes=gone"), "", "can be read"),
    (("precision=force_fp16", "precision.customize_dtypes=PIPE"), "", "no regular file"),
    (("data.path=PIPE",), "", "a folder, an npz"),
    (("init_from=FILE",), "garbage", "a checkpoint"),
    (("init_from=gone",), "", "a checkpoint"),
]


@pytest.mark.parametrize(("words", "content", "told"), REFUSED)
def test_a_wrong_path_or_file_leaves_nothing(words, content, told, typed, tmp_path, capsys):
    given, here = tmp_path / "given", tmp_path / "here"
    given.mkdir()
    here.mkdir()
    file = given / "file.npz"
    file.write_text(content)
    os.mkfifo(str(given / "pipe"))
    os.chdir(str(here))
    named = [word.replace("FILE", str(file)).replace("PIPE", str(given / "pipe")) for word in words]
    assert typed(*named) == 2
    said = capsys.readouterr().err
    assert told.replace("FILE", str(file)) in said
    assert "Traceback" not in said
    assert list(here.iterdir()) == []


def test_a_batch_larger_than_the_training_set_is_refused(typed, tmp_path, capsys):
    small_set(tmp_path / "mine.npz")
    assert typed("data.path=mine.npz", "schedule.batch_size=23") == 2
    assert "1 to 22 (the training set)" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.npz"]


ENVIRONMENTS = [
    # words, variables, what is made before, what is told
    ("-m seed=0,1", {"MLFLOW_TRACKING_URI": "foo://x"}, (), "is of no kind that"),
    ("-m seed=0,1", {"MLFLOW_TRACKING_URI": "sqlite:///no.db"}, ("no.db",), "is no usable"),
    ("-m seed=0,1", {}, ("mlflow.db",), "mlflow.db: "),
    ("-m seed=0,1", {}, ("multirun", "outputs", "mlruns"), "; outputs can't be written ("),
    ("seed=1", {}, ("outputs", "mlruns"), "outputs"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "variables", "made", "told"), ENVIRONMENTS)
def test_what_the_environment_refuses_leaves_nothing(
    line, variables, made, told, typed, tmp_path, monkeypatch, capsys
):
    given, here = tmp_path / "given", tmp_path / "here"
    given.mkdir()
    here.mkdir()
    small_set(given / "mine.npz")
    monkeypatch.chdir(here)
    for name in made:
        (here / name).write_text("in the way")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    words = f"{line} data.path={given / 'mine.npz'} schedule=smoke schedule.batch_size=8"
    assert typed(*words.split()) == 2
    said = capsys.readouterr().err
    assert told in said
    assert "Traceback" not in said
    assert sorted(path.name for path in here.iterdir()) == sorted(made)


def recorded_in(folder, start, status):
    """Put a run into a folder that was begun in `start`: what it was, and what it left."""
    folder.mkdir(parents=True)
    settings = dataclasses.asdict(settings_to_explain(["schedule=smoke"]))
    (folder / "config.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(settings)))
    begun = {"run_id": "1", "name": "a", "cwd": str(start), "uri": ""}
    entries = [("run", begun), ("status", {"status": status})]
    lines = [json.dumps({"kind": kind, "values": held, "time": 1}) for kind, held in entries]
    (folder / "record.jsonl").write_text("".join(f"{line}\n" for line in lines))
    np.savez(str(folder / "test_predictions.npz"), classes=np.zeros(3, np.uint8))
    (folder / "conditions.json").write_text("{}")


RECORDED = [
    # what goes on, its line, files in the way, what is told to type
    (run, "resume=RUN", ("mlruns", "data"), "there, then python -m lenet_exp.run resume=RUN"),
    (run, "resume=RUN schedule.epochs=2", ("data",), "LENET_EXP_DATA="),
    (rerun, "run=RUN", ("outputs", "mlruns", "data"), "then python -m lenet_exp.rerun run=RUN"),
    (rerun, "run=RUN", ("data",), "/lenet-exp/mnist python -m lenet_exp.rerun run=RUN"),
]


@pytest.mark.parametrize(("verb", "line", "made", "told"), RECORDED)
def test_a_recorded_run_names_all_places_at_once(
    verb, line, made, told, typed, tmp_path, monkeypatch, capsys
):
    here, folder = tmp_path / "here", tmp_path / "kept" / "it"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("LENET_EXP_DATA", str(here / "data" / "mnist"))
    recorded_in(folder, here, "FINISHED" if verb is rerun else "RUNNING")
    for name in made:
        (here / name).write_text("in the way")
    before = sorted(tmp_path.rglob("*"))
    assert verb.main(line.replace("RUN", str(folder)).split()) == 2
    said = capsys.readouterr().err
    assert told.replace("RUN", str(folder)) in said
    for name in made:
        assert f"{here / name} is no folder" in said
    assert "Traceback" not in said
    assert sorted(tmp_path.rglob("*")) == before
