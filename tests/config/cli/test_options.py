"""Every command refuses the same mistake alike."""

from __future__ import annotations

import pytest

from lenet_exp import doctor, fetch_mnist
from lenet_exp.config.cli.graph_options import ExplainOptions, PredictOptions
from lenet_exp.config.cli.recorded_options import (
    CompareOptions,
    ExportOptions,
    RerunOptions,
    ResumeOptions,
    UploadOptions,
)
from lenet_exp.errors import ConfigError

# The options, words that are right, a key that may be given, and one letter too many.
COMMANDS = [
    (CompareOptions, [], "sweep", "sweeps"),
    (ExplainOptions, [], "format", "formats"),
    (PredictOptions, ["model=a", "images=b"], "batch", "batchs"),
    (ExportOptions, ["run=a"], "to", "too"),
    (UploadOptions, ["run=a"], "tracking.uri", "uri"),
    (RerunOptions, [], "run", "runs"),
]


def refused(options, *words):
    with pytest.raises(ConfigError) as caught:
        options.read(words)
    key, value, allowed, remedy = caught.value.args
    assert remedy.startswith(options.program())
    return key, value, allowed


@pytest.mark.parametrize(("options", "right", "key", "wrong"), COMMANDS)
def test_one_mistake_is_refused_alike_by_every_command(options, right, key, wrong):
    dashed = f"--{wrong.replace('_', '-')}"
    assert refused(options, *right, f"{key}=")[:2] == (key, "")
    assert refused(options, *right, key) == (key, None, "key=value")
    assert refused(options, *right, f"{key}=3", f"{key}=3")[0] == key
    assert refused(options, *right, f"{wrong}=3") == (wrong, "3", f"no such key; {key} is one")
    assert refused(options, *right, f"{dashed}=3") == (
        dashed,
        "3",
        "key=value without dashes, and --help",
    )


@pytest.mark.parametrize("options", [doctor.DoctorOptions, fetch_mnist.FetchMnistOptions])
@pytest.mark.parametrize("word", ["all=true", "--all", "all"])
def test_a_command_without_keys_takes_no_argument(options, word):
    assert refused(options, word)[2].startswith("no argument")


@pytest.mark.parametrize(
    ("words", "key", "remedy"),
    [
        ([], "the key model", "model=latest images=mnist"),
        (["images=b"], "the key model", "model=latest images=b"),
        (["model=a", "images=b", "batch=0"], "batch", "model=a images=b batch=64"),
        (["model=a", "images=b", "batch=1e3"], "batch", "model=a images=b batch=64"),
        (["model=a", "images=b", "format=cvs"], "format", "model=a images=b format=csv"),
        (["x.png"], "x.png", "model=latest images=x.png"),
        (["model=a", "my/x.png", "batch=3"], "my/x.png", "model=a images=my/x.png"),
        (["net.pb", "images=b"], "net.pb", "model=net.pb images=b"),
        (["model=~nobody-of-this-name/x", "images=b"], "model", "model=latest images=b"),
    ],
)
def test_a_remedy_keeps_what_has_to_be_given(words, key, remedy):
    with pytest.raises(ConfigError) as caught:
        PredictOptions.read(words)
    assert caught.value.args[0] == key
    assert caught.value.args[3] == f"python -m lenet_exp.predict {remedy}"


@pytest.mark.parametrize("options", [ExportOptions, UploadOptions, RerunOptions])
def test_a_run_alone_is_told_its_key(options):
    with pytest.raises(ConfigError) as caught:
        options.read(["outputs/2026"])
    assert caught.value.args[2:] == (
        "key=value, as run=outputs/2026",
        f"{options.program()} run=outputs/2026",
    )


def test_an_id_is_raw_text():
    assert RerunOptions.read(["run=12e45678"]).run == "12e45678"


REMEDIES = [
    pytest.param(
        ResumeOptions, ["resume=abc123", "schedule.epoch=7"], "schedule.epoch",
        "nothing beside it but a larger", "run resume=abc123", id="resume, misspelt",
    ),
    pytest.param(
        ResumeOptions, ["resume=a", "seed=3"], "seed", "nothing beside it but a larger",
        "run resume=a", id="resume, of a new run",
    ),
    pytest.param(
        ResumeOptions, ["-m", "resume=a"], "-m", "nothing beside it but a larger",
        "run resume=a", id="resume, as a sweep",
    ),
    pytest.param(
        UploadOptions, ["run=abc123", "uri=x"], "uri", "tracking.uri is one",
        "upload run=abc123 tracking.uri=x", id="the run that was typed is kept",
    ),
    pytest.param(
        ExportOptions, ["run=abc123", "--to=x"], "--to", "without dashes",
        "export run=abc123 to=x", id="beside dashes too",
    ),
    pytest.param(
        PredictOptions, ["model=/x", "images=mnist", "--batch=3"], "--batch", "without dashes",
        "predict model=/x images=mnist batch=3", id="and all that has to be given",
    ),
    pytest.param(
        RerunOptions, ["latest"], "latest", "as run=latest", "rerun run=latest", id="no key",
    ),
    pytest.param(
        RerunOptions, ["run=a", "to=x"], "to", "run=...", "rerun run=a", id="another's key",
    ),
    pytest.param(
        ExplainOptions, ["graph=x.pb", "fetches=[]"], "fetches", "names",
        "explain graph=x.pb fetches=[NAME]", id="names of a graph",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("options", "words", "key", "allowed", "remedy"), REMEDIES)
def test_a_remedy_keeps_what_was_typed_and_works(options, words, key, allowed, remedy):
    with pytest.raises(ConfigError) as caught:
        options.read(words)
    assert caught.value.args[0] == key
    assert allowed in caught.value.args[2]
    assert caught.value.args[3] == f"python -m lenet_exp.{remedy}"
