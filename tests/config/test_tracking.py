"""A line that is typed in another shell finds the same experiment and store."""

from __future__ import annotations

import shlex

import pytest

from lenet_exp.config.cli.command_line import settings_to_explain
from lenet_exp.config.tracking import of_environment
from lenet_exp.record.next_steps import compare_command
from lenet_exp.sweep.launcher import _command

pytestmark = pytest.mark.stackless

NAME, URI = "MLFLOW_EXPERIMENT_NAME", "MLFLOW_TRACKING_URI"
EXPERIMENT, STORE = "tracking.experiment", "tracking.uri"
# The variables, what was typed, the experiment of its runs, what a line elsewhere needs.
ROWS = [
    ({}, [], "lenet-exp", {}),
    ({NAME: "mine"}, [], "mine", {EXPERIMENT: "mine"}),
    ({NAME: "a,b 'c'"}, [], "a,b 'c'", {EXPERIMENT: "a,b 'c'"}),
    ({NAME: "2026"}, [], "2026", {EXPERIMENT: "2026"}),
    ({NAME: ""}, [], "lenet-exp", {}),
    ({NAME: "mine"}, ["tracking.experiment=typed"], "typed", {}),
    ({NAME: "mine"}, ["tracking.experiment=mine"], "mine", {}),
    ({NAME: "mine"}, ["experiment=preset"], "of the preset", {}),
    ({URI: "sqlite:///a b.db"}, [], "lenet-exp", {STORE: "sqlite:///a b.db"}),
    ({URI: "http://host:1"}, ["++tracking.uri=x"], "lenet-exp", {}),
    ({URI: "http://me:SECRET@host"}, [], "lenet-exp", {}),
    ({NAME: "mine", URI: "http://h"}, ["-m", "seed=0,1"], "mine",
     {EXPERIMENT: "mine", STORE: "http://h"}),
]  # fmt: skip


@pytest.fixture
def shell(monkeypatch):
    """A function that gives this process these variables of MLflow's, and no other."""

    def set_to(environ):
        for name in (NAME, URI):
            monkeypatch.delenv(name, raising=False)
        for name, value in environ.items():
            monkeypatch.setenv(name, value)

    return set_to


@pytest.mark.parametrize(("environ", "typed", "experiment", "needed"), ROWS)
def test_what_the_environment_decides_is_said_in_the_line(
    environ, typed, experiment, needed, shell
):
    shell(environ)
    assert of_environment(experiment, typed) == needed
    *_, going_on = [_command(typed, "a-sweep", experiment)]
    shell({})
    words = shlex.split(going_on)[3:]
    assert words[: len(typed) + 1] == [*typed, "sweep=a-sweep"]
    there = settings_to_explain(words[len(typed) + 1 :]).tracking
    assert needed.get(EXPERIMENT, "lenet-exp") == there.experiment
    assert needed.get(STORE) == there.uri


def test_a_comparison_too_names_the_store_of_the_environment(shell):
    shell({URI: "sqlite:///a b.db"})
    assert shlex.split(compare_command("mine", None))[-1] == "tracking.uri=sqlite:///a b.db"
    assert shlex.split(compare_command("mine", "x"))[-1] == "tracking.uri=x"
