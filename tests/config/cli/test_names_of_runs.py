"""What names a run or a sweep leads out of no folder, wherever it is typed."""

from __future__ import annotations

import importlib

import pytest

from lenet_exp import cli
from lenet_exp.config.cli.command_line import check_command_line
from lenet_exp.config.cli.options import Options
from lenet_exp.config.cli.recorded_options import CompareOptions
from lenet_exp.errors import ConfigError
from lenet_exp.experiment import resume
from lenet_exp.record.run import run_folders

pytestmark = pytest.mark.stackless

OUTSIDE = ["../x", "a/../../x", "/etc", "..", "x/y", "..\\x", "%2e%2e/x"]
ASKED = {
    "a sweep": lambda name: check_command_line(["-m", f"sweep={name}", "seed=0,1"]),
    "compare sweep": lambda name: CompareOptions.read([f"sweep={name}"]),
    "compare runs": lambda name: CompareOptions.read([f"runs=[abc,{name}]"]),
    "run": lambda name: run_folders.find(
        "python -m lenet_exp.upload run", name, run_folders.Path()
    ),
    "resume": lambda name: resume.prepare([f"resume={name}"]),
}


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("asked", ASKED)
def test_a_name_leads_out_of_no_folder(asked, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError):
        ASKED[asked](name)
    assert list(tmp_path.iterdir()) == []


# verb -> what it is typed with
COMMANDS = {
    "run": [("-m", "seed=0,1", "sweep=NAME"), ("resume=NAME",)],
    "sweep.__main__": [("NAME",), ("sweep=NAME",)],
    "compare": [("NAME",), ("sweep=NAME",), ("runs=[NAME]",)],
    "rerun": [("NAME",), ("run=NAME",)],
    "export": [("NAME",), ("run=NAME",)],
    "upload": [("NAME",), ("run=NAME",)],
    "predict": [("model=NAME", "images=x")],
    "diagnose.__main__": [("run=NAME",)],
    "advise.__main__": [("run=NAME",)],
    "script.__main__": [("-m", f"path={__file__}", "precision=fp16,origin", "sweep=NAME")],
}


@pytest.mark.parametrize(
    ("verb", "words"), [(verb, words) for verb, typed in COMMANDS.items() for words in typed]
)
def test_every_command_that_takes_one_refuses_it_in_words(
    verb, words, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(cli, "handle_signals", lambda: None)
    (tmp_path / "here").mkdir()
    outside = tmp_path / "multirun" / "x"  # is there, and none of this folder's
    outside.mkdir(parents=True)
    (outside / "jobs.json").write_text("[]")
    monkeypatch.chdir(tmp_path / "here")
    main = importlib.import_module(f"lenet_exp.{verb}").main
    for name in ("../x", "../multirun/x", "../../multirun/x", "..\\x"):
        assert main([word.replace("NAME", name) for word in words]) == 2, name
        said = capsys.readouterr().err
        assert "Traceback" not in said
        assert name.rpartition("/")[2] in said
    assert list((tmp_path / "here").iterdir()) == []


def test_every_command_that_takes_a_name_is_in_the_table():
    modules = ("diagnosis", "graph", "recorded", "script")
    for name in modules:
        importlib.import_module(f"lenet_exp.config.cli.{name}_options")
    declared, found = [Options], []
    while declared:
        found.append(declared.pop())
        declared += found[-1].__subclasses__()
    takes = {"run", "resume", "sweep", "runs", "model"}
    verbs = {one.VERB for one in found if hasattr(one, "VERB") and takes & {*one.keys()}}
    assert verbs == {verb.partition(".")[0] for verb in COMMANDS}


def test_ids_and_names_that_mlflow_gives_are_taken():
    assert CompareOptions.read(["runs=[12e45678,a-b_c]"]).runs == ("12e45678", "a-b_c")
    assert CompareOptions.read(["sweep=2026-11-25_01-20-11-4711"]).sweep
