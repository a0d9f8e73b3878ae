"""The words of diagnose and advise."""

from __future__ import annotations

import pytest

from lenet_exp.config.chip import machine
from lenet_exp.config.cli.diagnosis_options import AdviseOptions, DiagnoseOptions
from lenet_exp.config.cli.graph_options import PredictOptions
from lenet_exp.errors import ConfigError

pytestmark = pytest.mark.stackless


@pytest.mark.parametrize(
    ("options", "words", "says"),
    [
        (DiagnoseOptions, ["operators=²"], "a whole number from 1 on, or all"),
        (DiagnoseOptions, ["operators=٣"], "a whole number from 1 on, or all"),
        (DiagnoseOptions, ["operators=0"], "a whole number from 1 on, or all"),
        (DiagnoseOptions, ["operators=00"], "a whole number from 1 on, or all"),
        (DiagnoseOptions, ["operators=-1"], "a whole number from 1 on, or all"),
        (DiagnoseOptions, ["operators=1e3"], "a whole number from 1 on, or all"),
        (DiagnoseOptions, [f"operators={10**30}"], "a whole number from 1 on, or all"),
        (AdviseOptions, ["modes=[]"], "precision modes: "),
        (AdviseOptions, ["modes=,"], "precision modes: "),
        (AdviseOptions, ["modes=[force_fp16,fp]"], "precision modes: "),
        (DiagnoseOptions, ["run=x", "optimizer=adam"], "with run= only precision and the keys"),
        (DiagnoseOptions, ["run=x", "loss_scale=none"], "with run= only precision and the keys"),
        (AdviseOptions, ["run=x", "optimizer=adam"], "with run= only precision, loss_scale and"),
        (AdviseOptions, ["run=x", "seed=1"], "with run= only precision, loss_scale and"),
        (AdviseOptions, ["run=x", "+seed=1"], "with run= only precision, loss_scale and"),
        (AdviseOptions, ["run=x", "hardware.cann=2021"], "with run= only precision, loss_scale"),
        (AdviseOptions, ["run=x", "experiment=force_fp16_adam"], "with run= only precision"),
        (AdviseOptions, ["graph=x.pb", "feeds=y.npz", "seed=1"], "with graph= only precision, "),
        (AdviseOptions, ["graph=x.pb", "feeds=y.npz", "hardware.canned=1"], "with graph= only"),
        (AdviseOptions, ["graph=x.pb", "feeds=y.npz", "check=true"], "only for LeNet and run="),
        (AdviseOptions, ["graph=x.pb", "feeds=y.npz", "target=accuracy>=0.9"], "only for LeNet"),
        (AdviseOptions, ["target=accuracy>=97"], "advise 'target=accuracy>=0.975'"),
        (AdviseOptions, ["target=accuracy>0.9"], "target=accuracy>0.9 is not possible"),
        (AdviseOptions, ["target=cosine>=2"], "target=cosine>=2 is not possible"),
        (AdviseOptions, ["target=nan"], "advise 'target=cosine>=0.999'"),
        (AdviseOptions, ["target=accuracy>=0.9", "target=0.9"], "each key once"),
        (AdviseOptions, ["target=loss<=0.1"], "cosine>=0.999, how near the gradients are"),
        (AdviseOptions, ["by=names"], "name | type | scope"),
        (AdviseOptions, ["check=true", "format=json"], "format=table with check=true"),
        (AdviseOptions, ["check=yes"], "true | false"),
        (AdviseOptions, ["capture=x", "precisions=1"], "with capture= only precision, "),
    ],
)
def test_what_means_nothing_is_refused(options, words, says):
    with pytest.raises(ConfigError) as caught:
        options.read(words)
    assert says in str(caught.value)


@pytest.mark.parametrize("word", ["data.path=/nope", "hardware=ascend910", "init_from=/nope"])
@pytest.mark.parametrize("options", [DiagnoseOptions, AdviseOptions])
def test_what_this_machine_lacks_is_told_with_a_line_of_the_verb(options, word, monkeypatch):
    monkeypatch.setattr(machine, "missing_for_chip", lambda: "no chip here")
    with pytest.raises(ConfigError) as caught:
        options.read([word])
    assert caught.value.args[3].startswith(f"{options.program()} {word.partition('=')[0]}=")


@pytest.mark.parametrize("key", ["keep_dtype=[a]", "flush_subnormals=true"])
@pytest.mark.parametrize("source", [["graph=g.meta", "feeds=f.npz"], ["capture=c"], ["run=x"], []])
@pytest.mark.parametrize("options", [DiagnoseOptions, AdviseOptions])
def test_steps_are_made_on_the_cpu_beside_a_chip(options, source, key, monkeypatch):
    monkeypatch.setattr(machine, "missing_for_chip", lambda: None)
    assert options.read([*source, f"precision.{key}"]).settings.hardware.name == "auto"


def test_predict_s_remedy_is_one_of_predict(monkeypatch):
    monkeypatch.setattr(machine, "missing_for_chip", lambda: "no chip here")
    with pytest.raises(ConfigError) as caught:
        PredictOptions.read(["model=latest", "images=mnist", "hardware=ascend910"])
    assert caught.value.args[3] == "python -m lenet_exp.predict hardware=cpu"


@pytest.mark.parametrize("text", ["1", "8", "020", "all"])
def test_how_many_operators_are_shown(text):
    assert DiagnoseOptions.read([f"operators={text}"]).operators == text


@pytest.mark.parametrize("words", [["modes=fp16"], ["modes=[fp16]"], ["precision=fp16"]])
def test_a_mode_is_tried_by_each_of_its_names(words):
    assert AdviseOptions.read(words).modes == ("force_fp16",)


def test_each_mode_is_tried_once():
    asked = AdviseOptions.read(["modes=[force_fp16,force_fp32,force_fp16]"])
    assert asked.modes == ("force_fp16", "force_fp32")


@pytest.mark.parametrize("word", ["precision=force_fp16", "precision.keep_dtype=[fc_3]"])
def test_another_precision_than_the_run_s(word):
    assert DiagnoseOptions.read(["run=x", word]).chosen


@pytest.mark.parametrize(
    ("words", "measure", "least"),
    [
        ([], "cosine", 0.999),
        (["target=0.99"], "cosine", 0.99),
        (["target=cosine>=0.99"], "cosine", 0.99),
        (["target=accuracy>=0.975"], "accuracy", 0.975),
    ],
)
def test_a_target_is_of_gradients_or_of_a_training(words, measure, least):
    goal = AdviseOptions.read(words).target
    assert (goal.measure, goal.least) == (measure, least)


def test_a_precision_mode_is_the_only_one_that_is_tried():
    asked = AdviseOptions.read(["precision=force_fp16", "precision.keep_dtype=[fc_3]"])
    assert (asked.modes, asked.settings.precision.keep_dtype) == (("force_fp16",), ("fc_3",))
    assert len(AdviseOptions.read(["precision.keep_dtype=[fc_3]"]).modes) == 5
    assert AdviseOptions.read(["precision=force_fp16", "modes=[force_fp32]"]).modes == (
        "force_fp32",
    )


@pytest.mark.parametrize("text", ["[a,b:0]", "a,b:0", "[\"a\",'b:0']", " a , 'b:0' "])
def test_names_are_typed_with_or_without_quotes(text):
    asked = DiagnoseOptions.read(["graph=x.pb", "feeds=y.npz", f"fetches={text}"])
    assert asked.fetches == ("a", "b:0")
