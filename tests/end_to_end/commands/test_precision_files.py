"""The vendor's two files and keep_dtype, from the command line to the record."""

from __future__ import annotations

import csv

import pytest

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
    with (folder / "precision.csv").open(newline="") as kept:
        return {(row["graph"], row["name"]): row["types"] for row in csv.DictReader(kept)}


@full_on_tf1
def test_a_run_is_planned_by_them_and_repeated_by_what_is_in_them(project):
    _write(project)
    done = project.run("schedule=smoke", "deterministic=true", *ASKED)
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


def test_they_shape_an_explanation_of_the_mode_that_has_them(project):
    _write(project)
    (project.folder / "odd.json").write_text('{"black": {}}')
    plain = project.run("precision=allow_mix_precision", "diff=force_fp16", verb="explain")
    assert "loss/mean" in plain.stdout
    shaped = project.run(*ASKED, "diff=force_fp16", verb="explain")
    assert shaped.returncode == 0, shaped.stderr
    assert "loss/mean" not in shaped.stdout

    wrong = (
        (["precision.modify_mixlist=odd.json"], 'it has the key "black"'),
        (["precision.keep_dtype=[fc_9]"], "keep_dtype fc_9: the graph has no such node"),
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
    words = ("-m", "debug=fast", "precision.keep_dtype=[],[fc_9]", "sweep=named")
    done = project.run(*words)
    assert done.returncode == 2, done.stdout
    assert "keep_dtype fc_9: the graph has no such node" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (project.folder / "multirun" / "named").exists()


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
    assert (len(run.stdout.splitlines()), explain.stdout) == (2, "")  # what would have run
    assert run.stderr == explain.stderr
    assert problem in run.stderr
