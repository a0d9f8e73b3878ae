"""The words of diagnose and advise."""

from __future__ import annotations

import pytest

from lenet_exp.config.cli.diagnosis_options import AdviseOptions, DiagnoseOptions
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
        (AdviseOptions, ["capture=x", "precisions=1"], "with capture= only precision, "),
    ],
)
def test_what_means_nothing_is_refused(options, words, says):
    with pytest.raises(ConfigError) as caught:
        options.read(words)
    assert says in str(caught.value)


@pytest.mark.parametrize("text", ["1", "8", "020", "all"])
def test_how_many_operators_are_shown(text):
    assert DiagnoseOptions.read([f"operators={text}"]).operators == text


def test_each_mode_is_tried_once():
    asked = AdviseOptions.read(["modes=[force_fp16,force_fp32,force_fp16]"])
    assert asked.modes == ("force_fp16", "force_fp32")


@pytest.mark.parametrize("word", ["precision=force_fp16", "precision.keep_dtype=[fc_3]"])
def test_another_precision_than_the_run_s(word):
    assert DiagnoseOptions.read(["run=x", word]).chosen
