"""The vendor's two files and keep_dtype, from the command line to the record."""

from __future__ import annotations

import csv

import pytest

from lenet_exp.config.cli.command_line import settings_to_explain
from lenet_exp.config.identity import config_hash
from lenet_exp.experiment import graphs
from lenet_exp.experiment.run import warnings_of
from tests.data.part_of_mnist import PART
from tests.stacks import full_on_tf1

MIXLIST = '{"black-list": {"to-remove": ["ReduceMeanD"]}}'
CUSTOM = "OpType::SigmoidGrad:InputDtype:float32,float32,OutputDtype:float32\n"
ASKED = (
    "precision=allow_mix_precision",
    "precision.modify_mixlist=mix.json",
    "precision.keep_dtype=[fc_2,train]",
    "precision.customize_dtypes=types.cfg",
)


def _write(project):
    (project.folder / "mix.json").write_text(MIXLIST)
    (project.folder / "types.cfg").write_text(CUSTOM)


def _types(folder):
    rows = _rows((folder / "precision.csv").read_bytes())
    return {(row["graph"], row["name"]): row["types"] for row in rows}


def _rows(held):
    return list(csv.DictReader(held.decode().splitlines()))


@full_on_tf1
def test_a_run_is_planned_by_them_and_repeated_by_what_is_in_them(project):
    _write(project)
    done = project.run(PART, "schedule=smoke", "deterministic=true", *ASKED)
    assert done.returncode == 0, done.stderr
    (folder,) = project.folder.glob("outputs/*")
    types = _types(folder)
    assert types["train", "loss/mean"] == "h>h"  # black without the list
    assert types["train", "gradients/layer_1/Sigmoid_grad/SigmoidGrad"] == "ff>f"
    assert types["train", "fc_2/MatMul"] == types["inference", "fc_2/MatMul"] == "fff>f"
    assert types["train", "fc_3/MatMul"] == types["inference", "fc_3/MatMul"] == "hhh>h"
    assert (folder / "precision.modify_mixlist").read_text() == MIXLIST
    assert (folder / "precision.customize_dtypes").read_text() == CUSTOM

    # What was kept counts from now on, whatever becomes of the person's file.
    (project.folder / "mix.json").write_text("{}")
    (project.folder / "types.cfg").unlink()
    again = project.run("run=latest", verb="rerun")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "bit-equal" in again.stdout
    repeated = max(project.folder.glob("outputs/*"))
    assert _types(repeated) == types
    resumed = project.run(f"resume={folder}", "schedule.epochs=2")
    assert resumed.returncode == 0, resumed.stderr
    assert _types(folder) == types
    (folder / "precision.modify_mixlist").write_text("{}")
    refused = project.run(f"resume={folder}", "schedule.epochs=3")
    assert refused.returncode == 2
    assert "precision.modify_mixlist: the file has changed" in refused.stderr


@full_on_tf1
def test_they_shape_an_explanation_of_the_mode_that_has_them(project):
    _write(project)
    (project.folder / "odd.json").write_text('{"black": {}}')
    plain = project.run("precision=allow_mix_precision", "diff=force_fp16", verb="explain")
    assert "ReduceMeanD" in plain.stdout
    shaped = project.run(*ASKED, "diff=force_fp16", verb="explain")
    assert shaped.returncode == 0, shaped.stderr
    assert "ReduceMeanD" not in shaped.stdout

    wrong = (
        (["precision.modify_mixlist=odd.json"], 'it has the key "black"'),
        (["precision.keep_dtype=[fc_9]"], "no such node or name scope\n  try: one of fc_"),
        (["precision.customize_dtypes=mix.json"], "is not of the form"),
    )
    for words, told in wrong:
        done = project.run("precision=allow_mix_precision", *words, verb="explain")
        assert (done.returncode, done.stdout) == (2, ""), words
        assert told in done.stderr
        assert "Traceback" not in done.stderr


@full_on_tf1
def test_a_sweep_refuses_what_is_in_them_before_its_first_job(project):
    _write(project)
    words = ("-m", PART, "debug=fast", "precision.keep_dtype=[],[fc_9]", "sweep=named")
    done = project.run(*words)
    assert done.returncode == 2, done.stdout
    assert "keep_dtype fc_9: the graph has no such node" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (project.folder / "multirun" / "named").exists()


@full_on_tf1
@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('{"black-list": {"to-add": 5}}', '"black-list" "to-add": it is no array of names'),
        ('{"black-list": {"to-add": "MatMulV2"}}', "it is no array of names"),
        ('{"black-list": {"add": []}}', 'it has the key "add"'),
    ],
)
def test_a_run_and_explain_refuse_a_mixlist_alike(project, content, problem):
    (project.folder / "mix.json").write_text(content)
    words = ("precision=allow_mix_precision", "precision.modify_mixlist=mix.json")
    run, explain = (project.run(*words, verb=verb) for verb in ("run", "explain"))
    assert run.returncode == explain.returncode == 2
    assert (run.stdout, explain.stdout) == ("", "")
    assert run.stderr == explain.stderr
    assert problem in run.stderr


SWITCHES = '{"Switch": {"GraphFusion": {"MatMulBiasAddFusionPass": "%s", "Unheard": "%s"}}}'
OF_A_CHIP = ("precision=allow_mix_precision", "hardware=ascend910", "loss_scale=none")


@full_on_tf1
@pytest.mark.parametrize("switch", ["on", "off"])
def test_a_fusion_is_off_in_the_plan_of_a_run_and_in_an_explanation(project, switch):
    path = project.folder / "switches.json"
    path.write_text(SWITCHES % (switch, switch))
    words = (*OF_A_CHIP, f"hardware.fusion_switch_file={path}")
    explained = project.run(*words, "format=csv", verb="explain")
    assert explained.returncode == 0, explained.stderr
    rows = {row["name"]: row["types"] for row in csv.DictReader(explained.stdout.splitlines())}
    off = switch == "off"
    assert rows["fc_1/MatMul"] == ("hh>h" if off else "hhh>h")
    assert [name for name in rows if name.endswith("/BiasAdd")] == (
        ["fc_1/BiasAdd", "fc_2/BiasAdd", "fc_3/BiasAdd"] if off else []
    )
    assert rows["layer_1/Conv2D"] == "hhh>h"
    told = "fusion_switch_file: no plan knows Unheard: it is the same with and without"
    assert (f"warning: {told}" in explained.stderr) is off

    settings = settings_to_explain(words)
    planned = graphs.plan(settings, graphs.build_graphs(settings))
    assert rows == {
        row["name"]: row["types"] for row in _rows(planned.csv) if row["graph"] == "train"
    }
    assert (f"warning: {told}" in warnings_of(settings, planned)) is off


def test_what_is_in_a_fusion_switch_file_makes_another_job(project):
    path = project.folder / "switches.json"
    settings = settings_to_explain((*OF_A_CHIP, f"hardware.fusion_switch_file={path}"))
    hashes = set()
    for switch in ("on", "off", "on"):
        path.write_text(SWITCHES % (switch, switch))
        hashes.add(config_hash(settings, "data", "tf2"))
    assert len(hashes) == 2


@pytest.mark.full
def test_a_sweep_knows_the_names_of_a_scaled_update(project):
    kept = "precision.keep_dtype=[update/Adam/update_fc_1/bias/ApplyAdam]"
    words = ("precision=force_fp16", kept, "loss_scale=fixed", "schedule=smoke", "dry_run=true")
    done = project.run("-m", *words)
    assert done.returncode == 0, done.stderr
