"""What changed the mode of a run changes what predict and export plan of its network."""

from __future__ import annotations

import shutil

import pytest
from omegaconf import OmegaConf

from lenet_exp import export, predict
from lenet_exp.commands import export as exporting
from lenet_exp.commands import predict as predicting
from lenet_exp.experiment import graphs
from lenet_exp.record.run import run_folders
from tests.stacks import FULL_ON_TF1

pytestmark = FULL_ON_TF1  # there test_precision_files.py has such options

FILES = {
    "modify_mixlist": '{"black-list": {"to-add": ["BiasAdd"]}}',
    "customize_dtypes": "OpType::Sigmoid:InputDtype:float32,OutputDtype:float32\n",
}
MODE = "precision=allow_mix_precision"


@pytest.fixture
def run_with(trained, tmp_path, monkeypatch):
    """Return what makes a run folder whose run had these options, of files that are gone since."""
    monkeypatch.chdir(trained.folder)

    def made(*keys, keep=()):
        folder = tmp_path / "run"
        shutil.copytree(str(trained.folder / "outputs" / "it"), str(folder))
        cfg = OmegaConf.load(str(folder / "config.yaml"))
        OmegaConf.update(cfg, "precision.mode", "allow_mix_precision")
        OmegaConf.update(cfg, "precision.keep_dtype", list(keep))
        for key in keys:
            (folder / f"precision.{key}").write_text(FILES[key])
            OmegaConf.update(cfg, f"precision.{key}", "gone")
        OmegaConf.save(cfg, str(folder / "config.yaml"))
        return folder

    return made


def types(plan):
    return {row.name: (row.ge_type, row.inputs, row.outputs, row.casts) for row in plan.operators}


CASES = [
    pytest.param((), (), id="nothing"),
    pytest.param(("modify_mixlist",), (), id="a mixlist", marks=pytest.mark.full),
    pytest.param(("customize_dtypes",), (), id="types of single operators", marks=pytest.mark.full),
    pytest.param((), ("fc_2", "train"), id="what keeps its type", marks=pytest.mark.full),
    pytest.param(("modify_mixlist", "customize_dtypes"), ("fc_2",), id="all of precision"),
]


@pytest.mark.parametrize(("keys", "keep"), CASES)
def test_predict_and_export_plan_as_the_run_s_step(keys, keep, run_with, monkeypatch, capsys):
    folder = run_with(*keys, keep=keep)
    settings = run_folders.settings_of(folder, to_run=False)
    wanted = types(graphs.plan(settings, graphs.build_graphs(settings)).inference)
    plan_inference, seen = graphs.plan_inference, []

    def planned(*args):
        seen.append(plan_inference(*args))
        return seen[-1]

    monkeypatch.setattr(predicting, "plan_inference", planned)
    asked = (f"model={folder}", "images=mnist", "batch=1000")
    assert predict.main([*asked, MODE]) == 0
    told = "".join([*[f"{key}, " for key in keys], "keep_dtype, " if keep else ""])[:-2]
    printed = capsys.readouterr().out
    assert f"precision allow_mix_precision{f' with {told}' if told else ''}, emulated" in printed
    monkeypatch.setattr(exporting.graphs, "plan_inference", planned)
    assert export.main([f"run={folder}", f"to={folder.parent / 'to'}"]) == 0
    command = next(line for line in capsys.readouterr().out.splitlines() if " atc " in f" {line}")
    for key in keys:
        assert f"--{key}={folder.parent / 'to' / key}" in command.split()
        assert (folder.parent / "to" / key).read_text() == FILES[key]
    assert ("--keep_dtype=" in command) == bool(keep)
    if keep:
        assert "fc_2/MatMul" in (folder.parent / "to" / "keep_dtype").read_text().splitlines()
    for plan in map(types, seen):
        common = [name for name in wanted if name in plan]
        assert len(common) > 10
        assert {name: plan[name] for name in common} == {name: wanted[name] for name in common}
    assert len(seen) == 2


ORIGIN = "precision must_keep_origin_dtype"
ALL = ("modify_mixlist", "customize_dtypes")
NONE = "the run's modify_mixlist, customize_dtypes, keep_dtype do not count in this mode"
OTHER = "the run's modify_mixlist does not count here: it was in allow_mix_precision"
UNCOUNTED = [
    # what the run had, what is typed, what is said
    pytest.param(ALL, ("fc_2",), ("precision=origin",), [f"{ORIGIN}: float32", NONE], id="origin"),
    pytest.param((), (), ("precision=origin",), [f"{ORIGIN}: float32"], id="nothing to count"),
    pytest.param(("modify_mixlist",), (), (), ["the run's modify_mixlist does not count in this"],
                 id="no mode"),
    pytest.param(("modify_mixlist",), (), ("precision=fp16",),
                 ["precision force_fp16, emulated", OTHER], id="another mode"),
    pytest.param((), (), ("precision=origin", "precision.keep_dtype=[fc_2]"),
                 [f"{ORIGIN}, emulated", "\nkeep_dtype does not count in this mode"], id="typed"),
]  # fmt: skip


@pytest.mark.parametrize(("keys", "keep", "words", "told"), UNCOUNTED)
def test_predict_says_what_of_a_run_does_not_count(keys, keep, words, told, run_with, capsys):
    folder = run_with(*keys, keep=keep)
    assert predict.main([f"model={folder}", "images=mnist", "batch=1000", *words]) == 0
    printed = capsys.readouterr().out
    for text in told:
        assert text in printed
    assert printed.count("not count") == sum("not count" in text for text in told)


def test_export_says_what_does_not_count_in_the_run_s_mode(run_with, capsys):
    folder = run_with("customize_dtypes", keep=("fc_2",))
    cfg = OmegaConf.load(str(folder / "config.yaml"))
    OmegaConf.update(cfg, "precision.mode", "origin")
    OmegaConf.save(cfg, str(folder / "config.yaml"))
    assert export.main([f"run={folder}", f"to={folder.parent / 'to'}"]) == 0
    printed = capsys.readouterr().out
    assert "in must_keep_origin_dtype as in training" in printed
    assert "--precision_mode=must_keep_origin_dtype" in printed
    assert "\ncustomize_dtypes, keep_dtype do not count in this mode" in printed
